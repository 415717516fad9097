package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"

	"usher/api/apierror"
	"usher/internal/strictjson"
)

// decodeBody decodes the body into a value of the route's type.
func (r *Request) decodeBody() error {
	limit := r.router.cfg.MaxBody
	if r.Route.MaxBody != 0 {
		limit = r.Route.MaxBody
	}
	r.HTTP.Body = http.MaxBytesReader(r.writer, r.HTTP.Body, limit)
	if r.Route.Body == nil || r.Route.ReadsBody {
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
	if err := strictjson.Decode(text, r.Body); err != nil {
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
	if err != nil {
		return nil, BodyError(err)
	}
	r.extendRead()
	return text, nil
}

// BodyError is the answer to a body that cannot be read.
func BodyError(err error) *apierror.Error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return apierror.BodyTooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return apierror.BodyTimeout()
	default:
		return apierror.BadRequest().WithCause(err)
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

// errReserved: a client chose what the API chooses. As with the errors of strictjson, the
// message quotes nothing.
var errReserved = errors.New("is reserved")
