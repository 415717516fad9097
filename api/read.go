package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"unicode/utf8"
)

// read takes the body into a value of the type that the route asks for.
func (c *call) read() error {
	limit := c.cfg.MaxBody
	if c.route.MaxBody != 0 {
		limit = c.route.MaxBody
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, limit)
	if c.route.Request == nil {
		return nil
	}
	text, err := io.ReadAll(c.r.Body)
	if err != nil {
		return unread(err)
	}
	body := reflect.New(reflect.TypeOf(c.route.Request))
	c.body = body.Interface()
	if len(bytes.TrimSpace(text)) == 0 && c.route.NoBody {
		return nil
	}
	if err := decode(text, c.body); err != nil {
		return c.arguments(err)
	}
	taken, err := json.Marshal(c.body) // what is left out may hold anything
	if err != nil {
		return err
	}
	if c.holdsKey(string(taken)) {
		return c.arguments(errKey)
	}
	return nil
}

// arguments is the failure of a body that does not say what it has to.
func (c *call) arguments(reason error) *failure {
	f := badRequest()
	if c.route.Noun != "" {
		f = invalid("Invalid %s Arguments", c.route.Noun)
	}
	f.details = []string{reason.Error()}
	return f
}

func unread(err error) *failure {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fail(http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT", "Request body is too large")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail(http.StatusRequestTimeout, "TIMEOUT", "Request body timed out")
	default:
		f := badRequest()
		f.cause = err
		return f
	}
}

// What is wrong with a body. The messages show nothing of it: it may hold
// anything, and not only in its values.
var (
	errNoObject  = errors.New("expected one JSON object")
	errEncoding  = errors.New("not valid UTF-8")
	errDuplicate = errors.New("a key stands twice in one object")
	errDeep      = errors.New("objects or arrays stand too deep in one another")
	errType      = errors.New("a value has the wrong type")
)

// maxDepth is how deep values may stand in one another. What a route takes is 4
// deep; what a client has besides is left out, and may be a little deeper.
const maxDepth = 32

// decode takes one JSON object into v. Fields that v does not have are left out,
// since clients of AMS send some; what could be read in two ways is refused.
func decode(text []byte, v any) error {
	if !utf8.Valid(text) {
		return errEncoding
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return errNoObject
	}
	if err := once(dec, true, 1); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errNoObject
	}
	if err := json.Unmarshal(text, v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return errors.New(wrong.Field + ": " + errType.Error()) // a field's path is of our own names
		}
		return errType
	}
	return nil
}

// once checks the rest of an object, or of an array, for keys that stand twice,
// in whatever case: they lead to the same field. depth is how many are open.
func once(dec *json.Decoder, object bool, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	seen := map[string]bool{}
	for dec.More() {
		if object {
			key, err := dec.Token()
			name, ok := key.(string)
			if err != nil || !ok {
				return errNoObject
			}
			if name = strings.ToLower(strings.ToUpper(name)); seen[name] {
				return errDuplicate
			}
			seen[name] = true
		}
		value, err := dec.Token()
		if err != nil {
			return errNoObject
		}
		if delim, ok := value.(json.Delim); ok {
			if err := once(dec, delim == '{', depth+1); err != nil {
				return err
			}
		}
	}
	if _, err := dec.Token(); err != nil {
		return errNoObject
	}
	return nil
}
