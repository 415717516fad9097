package apierror

import (
	"errors"
	"fmt"
	"net/http"

	"usher/directory"
	"usher/directory/kv"
)

// maxDetails is how many problems one error lists. The limit keeps a client from
// filling the disk: log and audit repeat the list.
const maxDetails = 10

// Error is the response to a request that failed.
type Error struct {
	Code    int // HTTP status
	Status  string
	Message string
	Details []string    // what exactly is wrong, and what to do
	Header  http.Header // sent with the response; may be nil
	Missing Kind        // what does not exist; empty: the error is about something else

	cause error // for the log; may be nil
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// WithDetails adds details, and returns e.
func (e *Error) WithDetails(details ...string) *Error {
	e.Details = append(e.Details, details...)
	return e
}

// WithCause sets the cause, which only the log and the audit contain, and returns e.
func (e *Error) WithCause(err error) *Error {
	e.cause = err
	return e
}

// WithHeader sets a header of the response, and returns e.
func (e *Error) WithHeader(name, value string) *Error {
	if e.Header == nil {
		e.Header = http.Header{}
	}
	e.Header.Set(name, value)
	return e
}

func newError(code int, status, format string, args ...any) *Error {
	return &Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// From returns the error that a request with this error is answered with.
func From(err error) *Error {
	var e *Error
	var problems directory.Problems
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &problems):
		return fromProblems(problems)
	case errors.Is(err, kv.ErrShare):
		return shareExhausted(err)
	case errors.Is(err, kv.ErrFull):
		return directoryFull(err)
	case errors.Is(err, kv.ErrUnavailable):
		return Unavailable(err)
	default:
		return Internal(err)
	}
}

// fromProblems lists the rules of the directory that a change would break. It omits the
// paths of the problems: the client knows what it asked for.
func fromProblems(problems directory.Problems) *Error {
	e := Invalid("%s", problems[0].Message)
	if hint := problems[0].Hint; hint != "" {
		e.Details = append(e.Details, hint)
	}
	for i, p := range problems[1:] {
		if i+1 == maxDetails {
			e.Details = append(e.Details, fmt.Sprintf("and %d more", len(problems)-maxDetails))
			break
		}
		text := p.Message
		if p.Hint != "" {
			text += ": " + p.Hint
		}
		e.Details = append(e.Details, text)
	}
	return e
}
