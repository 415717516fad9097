package backend

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"usher/internal/secret"
)

// maxErrorText is the largest text of an error, in bytes.
const maxErrorText = 400

// Retriable marks an error of a call that is worth a retry, and safe to repeat.
func Retriable(err error) error { return &retriableError{err} }

type retriableError struct{ error }

func (e *retriableError) Unwrap() error { return e.error }

func isRetriable(err error) bool {
	var r *retriableError
	return errors.As(err, &r)
}

// Unusable marks an error of a call that the backend answered, but not so that the
// answer decides about this credential. It does not open the circuit breaker: otherwise
// one client with a strange credential could.
func Unusable(err error) error { return &unusableError{err} }

type unusableError struct{ error }

func (e *unusableError) Unwrap() error { return e.error }

func isUnusable(err error) bool {
	var u *unusableError
	return errors.As(err, &u)
}

// Coded gives an error of a call a code of docs/reference/errors.md. Without one, the code
// is that of every verifier that cannot decide.
func Coded(code string, err error) error { return &codedError{err, code} }

type codedError struct {
	error

	code string
}

func (e *codedError) Unwrap() error { return e.error }

// CodeOf returns the code of an error of a call; empty: it has none.
func CodeOf(err error) string {
	var c *codedError
	if errors.As(err, &c) {
		return c.code
	}
	return ""
}

// errorText returns the text of an error of a call, without what may be secret in a URL.
func (b *Backend) errorText(err error) string {
	text := err.Error()
	var at *url.Error
	if errors.As(err, &at) {
		text = strings.ReplaceAll(text, at.Error(), at.Op+" "+withoutSecrets(at.URL)+": "+at.Err.Error())
	}
	if errors.Is(err, context.DeadlineExceeded) {
		text = "no answer within " + b.cfg.Timeout.String()
	}
	return secret.Filter{}.Text(text, maxErrorText)
}

// withoutSecrets returns a URL without user name, password, query and fragment.
func withoutSecrets(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "the backend"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
