package jwt

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deeply objects and lists may be nested. Real claims have 4 levels.
const maxDepth = 16

// exact is the range in which float64 has every integer.
const exact = 1 << 53

var (
	errJSON      = errors.New("is not JSON in UTF-8")
	errTwice     = errors.New("has a name twice in one object")
	errDepth     = errors.New("is nested too deeply")
	errNumber    = errors.New("has a number that is too large")
	errNotObject = errors.New("is not one JSON object")
)

// object reads a JSON object, and clears its text. It refuses what encoding/json puts up with: names that
// occur twice and invalid UTF-8. It uses tokens of jsontext, because a decoder of values
// would take names twice or check them at a cost that the map already has.
func (p *Parser) object(raw []byte) (map[string]any, error) {
	d := p.decoder(raw)
	defer p.release(d, raw)
	if d.PeekKind() != '{' {
		return nil, errNotObject
	}
	v, err := value(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errNotObject
	}
	return v.(map[string]any), nil //nolint:forcetypeassert // value returns it for a brace
}

func (p *Parser) decoder(raw []byte) *jsontext.Decoder {
	d := p.decoders.Get().(*jsontext.Decoder) //nolint:forcetypeassert // the pool has nothing else
	d.Reset(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
	return d
}

// release keeps a decoder for the next text, and nothing of this one.
func (p *Parser) release(d *jsontext.Decoder, raw []byte) {
	clear(raw)
	p.decoders.Put(d)
}

// value reads one value.
func value(d *jsontext.Decoder) (any, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, errJSON
	}
	switch t.Kind() {
	case '{':
		return members(d)
	case '[':
		return elements(d)
	case '"':
		return t.String(), nil
	case '0':
		return number(t)
	case 't', 'f':
		return t.Bool(), nil
	case 'n':
		return nil, nil
	case jsontext.KindInvalid, jsontext.KindEndObject, jsontext.KindEndArray:
	}
	return nil, errJSON
}

func members(d *jsontext.Decoder) (map[string]any, error) {
	if d.StackDepth() > maxDepth {
		return nil, errDepth
	}
	m := map[string]any{}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, errJSON
		}
		name := t.String()
		if _, ok := m[name]; ok {
			return nil, errTwice
		}
		if m[name], err = value(d); err != nil {
			return nil, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, errJSON
	}
	return m, nil
}

func elements(d *jsontext.Decoder) ([]any, error) {
	if d.StackDepth() > maxDepth {
		return nil, errDepth
	}
	list := []any{}
	for k := d.PeekKind(); k != ']' && k != jsontext.KindInvalid; k = d.PeekKind() {
		v, err := value(d)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, errJSON
	}
	return list, nil
}

// number returns a float64, or the text of an integer that float64 does not have: two
// numbers that differ must not become one.
func number(t jsontext.Token) (any, error) {
	f, err := t.Float()
	if err != nil {
		return nil, errNumber
	}
	if f >= exact || f <= -exact {
		return json.Number(t.String()), nil
	}
	return f, nil
}

// firstIssuer returns the first member iss of an object, and clears its text.
func (p *Parser) firstIssuer(raw []byte) (string, bool) {
	d := p.decoder(raw)
	defer p.release(d, raw)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return "", false
	}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return "", false
		}
		if t.String() != "iss" {
			if d.SkipValue() != nil {
				return "", false
			}
			continue
		}
		if t, err = d.ReadToken(); err != nil || t.Kind() != '"' {
			return "", false
		}
		return t.String(), true
	}
	return "", false
}
