package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"usher/api/wire"
)

// What a request can fail with, beside an *Error and what the network says.
var (
	ErrName = errors.New("not a name: expected letters, digits, '-' and '_'") // nothing was sent
	// ErrUncertain: a change was sent, and no answer came.
	ErrUncertain = errors.New("it is not known whether this was done")
	ErrAnswer    = errors.New("the answer is not one of usher's management API")
)

// Error is a no of the server.
type Error struct {
	Code      int    // the HTTP status
	Status    string // such as "NOT_FOUND"; empty: the answer had none
	Message   string // one line
	RequestID string // the audit of the server has it, too; may be empty
	Current   Tag    // what the condition of a change should have been; empty: there was none, or it held
}

// Error returns the message, with what helps to look it up.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s (%d %s", e.Message, e.Code, e.Status)
	if e.RequestID != "" {
		text += ", request " + e.RequestID
	}
	return text + ")"
}

// Denied reports whether the key is not taken, or is not enough.
func (e *Error) Denied() bool {
	return e.Code == http.StatusUnauthorized || e.Code == http.StatusForbidden
}

// Changed reports whether a condition did not hold: somebody else was faster.
func (e *Error) Changed() bool {
	return e.Code == http.StatusPreconditionFailed || e.Code == http.StatusConflict && e.Current != ""
}

// changedMeanwhile reports whether a condition did not hold: somebody else was faster.
func changedMeanwhile(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == http.StatusConflict || e.Code == http.StatusPreconditionFailed)
}

// headerRequestID is where an answer without a body says its request id.
const headerRequestID = "X-Request-Id"

// errorOf makes an Error of an answer that is no success.
func errorOf(answer *http.Response, body []byte) error {
	var w wire.Error
	id := line(answer.Header.Get(headerRequestID))
	if json.Unmarshal(body, &w) == nil && w.Error.Message != "" {
		w.Error.Code = answer.StatusCode
		e := errorFrom(&w.Error, id)
		e.Current = Tag(answer.Header.Get("ETag"))
		return e
	}
	if answer.StatusCode/100 == 3 {
		return fmt.Errorf("%w: it redirects (%d)", ErrAnswer, answer.StatusCode)
	}
	return &Error{Code: answer.StatusCode, RequestID: id, Status: http.StatusText(answer.StatusCode), Message: "the server gives no reason"}
}

// errorFrom makes an Error of what a server says; id is that of the request if
// it does not say one.
func errorFrom(said *wire.ErrorBody, id string) *Error {
	e := &Error{Code: said.Code, Status: line(said.Status), Message: line(said.Message), RequestID: id}
	for _, more := range said.Errors {
		if more = line(more); strings.HasPrefix(more, e.Message) { // says it again, and how to go on
			e.Message = more
			continue
		}
		e.Message += "; " + line(more)
	}
	if said.RequestID != "" {
		e.RequestID = line(said.RequestID)
	}
	return e
}

// maxLine bounds what is taken over from a server into an error.
const maxLine = 2000

// line makes one line of what a server says, without what moves a cursor.
func line(text string) string {
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}
