package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/kv"
	"usher/internal/secret"
)

// What an answer, the log and the audit say of a failure is short, however much
// is wrong: whoever may ask must not fill a disk with it.
const (
	maxShown = 10   // names, or faults of one request
	maxCause = 2048 // bytes of a cause
)

// failure is what a request is answered with when it is not done. The message and
// the status are AMS's where it has the case.
type failure struct {
	code    int
	status  string
	message string
	details []string
	header  http.Header // beside the usual ones; may be nil
	cause   error       // for the log; may be nil
	absent  string      // one of the what…: what is not there; empty: something else is wrong
}

// Error returns the message.
func (f *failure) Error() string { return f.message }

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.cause }

func fail(code int, status, format string, args ...any) *failure {
	return &failure{code: code, status: status, message: fmt.Sprintf(format, args...)}
}

// The failures, as AMS has them.

func unauthorized() *failure { return fail(http.StatusUnauthorized, "UNAUTHORIZED", "Unauthorized") }

func forbidden() *failure {
	return fail(http.StatusForbidden, "FORBIDDEN", "Access to this resource is forbidden")
}

func notFound(what string) *failure {
	f := fail(http.StatusNotFound, "NOT_FOUND", "%s doesn't exist", what)
	f.absent = what
	return f
}

// noSuch is notFound of something that the path does not name.
func noSuch(what, name string) *failure {
	f := notFound(what)
	f.details = []string{"there is no " + strings.ToLower(what) + " " + shownName(name)}
	return f
}

// name says which thing it is that is not there, since AMS's message does not.
func (c *call) name(f *failure) *failure {
	if f.absent == "" || len(f.details) > 0 {
		return f
	}
	is := func(variable string) string { return shownName(c.vars[variable]) }
	text := ""
	switch {
	case f.absent == whatProject:
		text = "there is no project " + is(varProject)
	case f.absent == whatTopic:
		text = "project " + is(varProject) + " has no topic " + is(varTopic)
	case f.absent == whatSubscription:
		text = "project " + is(varProject) + " has no subscription " + is(varSubscription)
	case f.absent == whatKey:
		text = "user " + is(varUser) + " has no key " + is(varKey)
	case f.absent == whatUser && c.vars[varUUID] != "":
		text = "no user has this id"
	case f.absent == whatUser && c.vars[varProject] != "":
		text = "project " + is(varProject) + " has no member " + is(varUser)
	case f.absent == whatUser:
		text = "there is no user " + is(varUser)
	default:
		return f
	}
	f.details = []string{text}
	return f
}

func exists(what string) *failure {
	return fail(http.StatusConflict, "ALREADY_EXISTS", "%s already exists", what)
}

func conflict(format string, args ...any) *failure {
	return fail(http.StatusConflict, "CONFLICT", format, args...)
}

// obscured refuses a name that may be that of an entry which cannot be read now.
func obscured(what string) *failure {
	f := conflict("Another %s cannot be read, and may have this name", strings.ToLower(what))
	f.details = []string{"usher check says which entry of the bucket it is: mend it, remove it, or update usher"}
	return f
}

func invalid(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, "INVALID_ARGUMENT", format, args...)
}

func badRequest() *failure {
	return fail(http.StatusBadRequest, "BAD_REQUEST", "Invalid Request Body")
}

func invalidName(variable string, reason error) *failure {
	f := invalid("Invalid %s name", variable)
	if reason != nil {
		f.details = []string{"the name " + reason.Error()}
	}
	return f
}

// Beyond AMS.

func unavailable(cause error) *failure {
	f := fail(http.StatusServiceUnavailable, "UNAVAILABLE", "The directory cannot be reached now")
	f.cause = cause
	return f
}

func internal(cause error) *failure {
	f := fail(http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "Internal error")
	f.cause = cause
	return f
}

// asFailure returns what a request with this error is answered with.
func asFailure(err error) *failure {
	var f *failure
	var problems directory.Problems
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &problems):
		return broken(problems)
	case errors.Is(err, kv.ErrShare):
		return exhausted(err)
	case errors.Is(err, kv.ErrFull):
		return stuffed(err)
	case isUnavailable(err):
		return unavailable(err)
	default:
		return internal(err)
	}
}

// broken says which rules of the directory a change would break. Where the fault
// is, the caller knows: it asked for it. What the message says already is not
// among the details.
func broken(problems directory.Problems) *failure {
	f := invalid("%s", problems[0].Message)
	if hint := problems[0].Hint; hint != "" {
		f.details = append(f.details, hint)
	}
	for i, p := range problems[1:] {
		if i+1 == maxShown {
			f.details = append(f.details, fmt.Sprintf("and %d more", len(problems)-maxShown))
			break
		}
		text := p.Message
		if p.Hint != "" {
			text += ": " + p.Hint
		}
		f.details = append(f.details, text)
	}
	return f
}

// shownName is a name from a request in a message: as it is, if it could be one.
func shownName(name string) string {
	if directory.CheckName(name) != nil {
		return secret.Name(name)
	}
	return name
}

// shownNames shows the first of many.
func shownNames(names []string) string {
	shown := make([]string, min(len(names), maxShown))
	for i := range shown {
		shown[i] = shownName(names[i])
	}
	text := strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// shownFailure returns a failure as it is answered.
func (c *call) shownFailure(f *failure) wire.Error {
	e := wire.ErrorBody{Code: f.code, Message: c.shown(f.message, maxMessage), Status: f.status, RequestID: c.id}
	for _, detail := range f.details {
		e.Errors = append(e.Errors, c.shown(detail, maxMessage))
	}
	return wire.Error{Error: e}
}
