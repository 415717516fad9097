package rest

import (
	"errors"
	"mime"
	"net/url"

	"usher/api/apierror"
)

// TypeForm is the content type of a form.
const TypeForm = "application/x-www-form-urlencoded"

var (
	errNotForm   = errors.New("the content type is not " + TypeForm)
	errOneOfEach = errors.New("every field is there once")
)

// ReadForm reads a body of TypeForm, in which each field of Route.Form is there once. Other
// fields are ignored.
func (r *Request) ReadForm() (url.Values, error) {
	if kind, _, err := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type")); err != nil || kind != TypeForm {
		return nil, r.InvalidBody(errNotForm)
	}
	text, err := r.ReadText()
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, apierror.BadRequest() // the error quotes the form
	}
	for _, f := range r.Route.Form {
		if len(form[f.Name]) != 1 || form.Get(f.Name) == "" {
			return nil, r.InvalidBody(errOneOfEach)
		}
	}
	return form, nil
}
