// Package strictjson decodes JSON objects that others wrote, for which encoding/json is too
// lenient: it takes the last of two members with the same name, replaces invalid UTF-8 and
// accepts any depth.
//
// It promises that its errors quote nothing of the text, which may contain secrets in its
// names as well as in its values.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// What can be wrong with a text.
var (
	ErrNoObject  = errors.New("expected one JSON object")
	ErrEncoding  = errors.New("not valid UTF-8")
	ErrDuplicate = errors.New("an object contains the same key twice")
	ErrDeep      = errors.New("objects or arrays are nested too deeply")
	ErrType      = errors.New("a value has the wrong type")
	ErrUnknown   = errors.New("an object contains an unknown key")
)

// MaxDepth is how deep objects and arrays may be nested.
const MaxDepth = 32

// Decode decodes one JSON object into v and ignores unknown keys. It refuses an object that
// is ambiguous.
func Decode(text []byte, v any) error { return decode(text, v, false) }

// DecodeKnown is Decode, but refuses unknown keys where v has fields and no map.
func DecodeKnown(text []byte, v any) error { return decode(text, v, true) }

func decode(text []byte, v any, known bool) error {
	if !utf8.Valid(text) {
		return ErrEncoding
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return ErrNoObject
	}
	if err := checkKeys(dec, true, 1); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return ErrNoObject
	}
	dec = json.NewDecoder(bytes.NewReader(text))
	if known {
		dec.DisallowUnknownFields()
	}
	err := dec.Decode(v)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && wrong.Field != "":
		return &fieldError{wrong.Field}
	case known && !errors.As(err, &wrong) && json.Unmarshal(text, v) == nil:
		return ErrUnknown
	default:
		return ErrType
	}
}

// fieldError is an ErrType that names the field: a path of v's own names.
type fieldError struct{ field string }

func (e *fieldError) Error() string { return e.field + ": " + ErrType.Error() }

func (*fieldError) Unwrap() error { return ErrType }

// checkKeys reads the rest of an object or array, and refuses keys that occur twice. It
// ignores case, as encoding/json does. depth counts the open objects and arrays.
func checkKeys(dec *json.Decoder, object bool, depth int) error {
	if depth > MaxDepth {
		return ErrDeep
	}
	seen := map[string]bool{}
	for dec.More() {
		if object {
			key, err := dec.Token()
			name, ok := key.(string)
			if err != nil || !ok {
				return ErrNoObject
			}
			if name = strings.ToLower(strings.ToUpper(name)); seen[name] {
				return ErrDuplicate
			}
			seen[name] = true
		}
		value, err := dec.Token()
		if err != nil {
			return ErrNoObject
		}
		if delim, ok := value.(json.Delim); ok {
			if err := checkKeys(dec, delim == '{', depth+1); err != nil {
				return err
			}
		}
	}
	if _, err := dec.Token(); err != nil {
		return ErrNoObject
	}
	return nil
}
