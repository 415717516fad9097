package messages

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/internal/budget"
)

// firstRead is how many bytes are reserved for a body of which nothing is known.
const firstRead = 16 << 10

// readBody reads the body into memory that it reserves as the bytes arrive: a client that
// sends slowly holds only what it has sent.
func readBody(r *rest.Request, held *budget.Reservation) ([]byte, error) {
	size := r.HTTP.ContentLength
	if size < 0 || size > firstRead {
		size = firstRead
	}
	if !held.Grow(size + 1) {
		return nil, noMemory()
	}
	text := make([]byte, 0, size+1)
	for {
		n, err := r.HTTP.Body.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		switch {
		case errors.Is(err, io.EOF):
			return text, nil
		case err != nil:
			return nil, rest.BodyError(err)
		case len(text) < cap(text):
			continue
		}
		more := int64(cap(text))
		if left := r.HTTP.ContentLength + 1 - more; r.HTTP.ContentLength >= 0 && left > 0 {
			more = min(more, left)
		}
		if !held.Grow(more) {
			return nil, noMemory()
		}
		longer := make([]byte, len(text), int64(cap(text))+more)
		copy(longer, text)
		text = longer
	}
}

func noMemory() *apierror.Error {
	return busy("The messages of requests in progress take all memory that there is for them")
}

var (
	errJSON    = errors.New("expected one JSON object in UTF-8, in which no name occurs twice")
	errType    = errors.New("a value has the wrong type")
	errMissing = errors.New("is missing")
	errNames   = fmt.Errorf("an object has more than %d names", maxNames)
)

// maxNames bounds the names of one object: looking for one that occurs twice costs time for each
// of them, and a body can have a hundred thousand.
const maxNames = 1024

// reader reads JSON token by token: 100 messages of 1 KiB must not cost more to read than to
// store. It refuses invalid UTF-8 and names that occur twice.
type reader struct{ *jsontext.Decoder }

func newReader(text []byte) *reader { return &reader{jsontext.NewDecoder(bytes.NewBuffer(text))} }

// document reads an object, after which nothing may follow.
func (d *reader) document(member func(name string) error) error {
	if err := d.object(member); err != nil {
		return err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errJSON
	}
	return nil
}

// object calls member for each member of an object, which must read its value.
func (d *reader) object(member func(name string) error) error {
	if d.PeekKind() != '{' {
		return d.wrong()
	}
	if _, err := d.ReadToken(); err != nil {
		return errJSON
	}
	for i := 0; d.PeekKind() != '}'; i++ {
		name, err := d.ReadToken()
		switch {
		case err != nil:
			return errJSON
		case i >= maxNames:
			return errNames
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, _ = d.ReadToken()
	return nil
}

// array calls element for each element of an array, which must read it.
func (d *reader) array(element func(i int) error) error {
	if d.PeekKind() != '[' {
		return d.wrong()
	}
	if _, err := d.ReadToken(); err != nil {
		return errJSON
	}
	for i := 0; d.PeekKind() != ']'; i++ {
		if err := element(i); err != nil {
			return err
		}
	}
	_, _ = d.ReadToken()
	return nil
}

// skip reads a value of which nothing is needed.
func (d *reader) skip() error {
	for depth := d.StackDepth(); ; {
		if _, err := d.ReadToken(); err != nil {
			return errJSON
		}
		within := d.StackDepth()
		if within == depth {
			return nil
		}
		if kind, n := d.StackIndex(within); kind == '{' && n > 2*maxNames { // names and values
			return errNames
		}
	}
}

// text reads a string.
func (d *reader) text() (string, error) {
	if d.PeekKind() != '"' {
		return "", d.wrong()
	}
	t, err := d.ReadToken()
	if err != nil {
		return "", errJSON
	}
	return t.String(), nil
}

// scalar reads a string, a number or a boolean as text.
func (d *reader) scalar() (string, error) {
	if k := d.PeekKind(); k != '"' && k != '0' && k != 't' && k != 'f' {
		return "", d.wrong()
	}
	t, err := d.ReadToken()
	if err != nil {
		return "", errJSON
	}
	return t.String(), nil
}

// isNull reads a null, if there is one.
func (d *reader) isNull() bool {
	if d.PeekKind() != 'n' {
		return false
	}
	_, err := d.ReadToken()
	return err == nil
}

// wrong says why the next value is not what was expected.
func (d *reader) wrong() error {
	if err := d.skip(); err != nil {
		return err
	}
	return errType
}
