package rest

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

	"usher/api/apierror"
)

// decodeBody decodes the body into a value of the route's type.
func (r *Request) decodeBody() error {
	limit := r.router.cfg.MaxBody
	if r.Route.MaxBody != 0 {
		limit = r.Route.MaxBody
	}
	r.HTTP.Body = http.MaxBytesReader(r.writer, r.HTTP.Body, limit)
	if r.Route.Body == nil {
		return nil
	}
	text, err := r.readBody()
	if err != nil {
		return err
	}
	r.Body = reflect.New(reflect.TypeOf(r.Route.Body)).Interface()
	if len(bytes.TrimSpace(text)) == 0 && r.Route.OptionalBody {
		return nil
	}
	if err := decodeObject(text, r.Body); err != nil {
		return r.InvalidBody(err)
	}
	decoded, err := json.Marshal(r.Body) // unknown fields are ignored, whatever they contain
	if err != nil {
		return err
	}
	if r.ContainsKey(string(decoded)) {
		return r.InvalidBody(errContainsKey)
	}
	return nil
}

// readBody reads the whole body.
func (r *Request) readBody() ([]byte, error) {
	text, err := io.ReadAll(r.HTTP.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return text, nil
	case errors.As(err, &tooLarge):
		return nil, apierror.BodyTooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, apierror.BodyTimeout()
	default:
		return nil, apierror.BadRequest().WithCause(err)
	}
}

// ReadText reads a body that is not JSON. It refuses one that contains a key.
func (r *Request) ReadText() ([]byte, error) {
	text, err := r.readBody()
	if err != nil {
		return nil, err
	}
	if r.ContainsKey(string(text)) {
		return nil, r.InvalidBody(errContainsKey)
	}
	return text, nil
}

// InvalidBody refuses the body; reason says what is wrong with it.
func (r *Request) InvalidBody(reason error) *apierror.Error {
	e := apierror.BadRequest()
	if r.Route.BodyName != "" {
		e = apierror.Invalid("Invalid %s Arguments", r.Route.BodyName)
	}
	return e.WithDetails(reason.Error())
}

// What can be wrong with a body. The messages quote nothing: a body may contain secrets
// in its keys as well as in its values.
var (
	errNoObject  = errors.New("expected one JSON object")
	errEncoding  = errors.New("not valid UTF-8")
	errDuplicate = errors.New("an object contains the same key twice")
	errDeep      = errors.New("objects or arrays are nested too deeply")
	errType      = errors.New("a value has the wrong type")
	errReserved  = errors.New("is reserved")
)

// maxDepth is how deep objects and arrays may be nested. The routes need a depth of 4;
// fields that they ignore may be deeper.
const maxDepth = 32

// decodeObject decodes one JSON object. It ignores unknown fields, because clients of AMS
// send some, and refuses an object that is ambiguous.
func decodeObject(text []byte, v any) error {
	if !utf8.Valid(text) {
		return errEncoding
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return errNoObject
	}
	if err := checkKeys(dec, true, 1); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errNoObject
	}
	if err := json.Unmarshal(text, v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return errors.New(wrong.Field + ": " + errType.Error()) // Field is a path of our own names
		}
		return errType
	}
	return nil
}

// checkKeys reads the rest of an object or array, and refuses keys that occur twice. It
// ignores case, as encoding/json does. depth counts the open objects and arrays.
func checkKeys(dec *json.Decoder, object bool, depth int) error {
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
			if err := checkKeys(dec, delim == '{', depth+1); err != nil {
				return err
			}
		}
	}
	if _, err := dec.Token(); err != nil {
		return errNoObject
	}
	return nil
}
