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

// The errors of a call, beside *Error and the errors of the network.
var (
	// ErrName: the name of a resource is invalid. Nothing was sent.
	ErrName = errors.New("not a name: expected letters, digits, '-' and '_'")
	// ErrSession: the id of a session is invalid. Nothing was sent.
	ErrSession = errors.New("not the id of a session: expected SERVER:CLIENT, as usher session list shows it")
	// ErrOutcomeUnknown: a change was sent, and no response arrived.
	ErrOutcomeUnknown = errors.New("it is unknown whether the change was made")
	// ErrResponse: the server is not the API of usher.
	ErrResponse = errors.New("the response is not one of usher's management API")
	// ErrServerTLS: the server speaks TLS, and the address begins with http://.
	ErrServerTLS = errors.New("the server speaks TLS")
)

// Error is an error response of the server.
type Error struct {
	Code      int    // the HTTP status
	Status    string // such as "NOT_FOUND"
	Message   string // one line, with the details
	RequestID string // also in the server's log and audit; may be empty
	Current   ETag   // of the resource, if If-Match did not match; otherwise empty
}

// Error returns the message, and what identifies the request.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s (%d %s", e.Message, e.Code, e.Status)
	if e.RequestID != "" {
		text += ", request " + e.RequestID
	}
	return text + ")"
}

// Denied reports whether the key is invalid, or its roles do not permit the request.
func (e *Error) Denied() bool {
	return e.Code == http.StatusUnauthorized || e.Code == http.StatusForbidden
}

// Modified reports whether If-Match did not match: the resource has changed since it was read.
func (e *Error) Modified() bool {
	return e.Code == http.StatusPreconditionFailed || e.Code == http.StatusConflict && e.Current != ""
}

// isConflict reports whether a change with If-Match may succeed after the resource is read again.
func isConflict(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == http.StatusConflict || e.Code == http.StatusPreconditionFailed)
}

// headerRequestID contains the request id of a response without a body.
const headerRequestID = "X-Request-Id"

// responseError returns the error of a response that is not a success.
func responseError(response *http.Response, body []byte) error {
	var w wire.Error
	id := printable(response.Header.Get(headerRequestID))
	if json.Unmarshal(body, &w) == nil && w.Error.Message != "" {
		w.Error.Code = response.StatusCode
		e := bodyError(&w.Error, id)
		e.Current = ETag(response.Header.Get("ETag"))
		return e
	}
	if response.StatusCode/100 == 3 {
		return fmt.Errorf("%w: it redirects (%d)", ErrResponse, response.StatusCode)
	}
	if response.StatusCode == http.StatusBadRequest && strings.HasPrefix(string(body), clientSentHTTP) {
		return ErrServerTLS
	}
	if response.StatusCode == http.StatusNotFound { // the API says what does not exist
		return fmt.Errorf("%w: it has no such path (404)", ErrResponse)
	}
	return &Error{Code: response.StatusCode, RequestID: id, Status: http.StatusText(response.StatusCode), Message: "the server gives no reason"}
}

// clientSentHTTP is what net/http answers on a port with TLS. It has no other mark.
const clientSentHTTP = "Client sent an HTTP request to an HTTPS server"

// bodyError returns the error in a body. id is the request id if the body has none.
func bodyError(body *wire.ErrorBody, id string) *Error {
	e := &Error{Code: body.Code, Status: printable(body.Status), Message: printable(body.Message), RequestID: id}
	for _, detail := range body.Errors {
		detail = printable(detail)
		if strings.HasPrefix(detail, e.Message) || namesMissing(e.Message, detail) { // says the same, and more
			e.Message = detail
			continue
		}
		e.Message += "; " + detail
	}
	if body.RequestID != "" {
		e.RequestID = printable(body.RequestID)
	}
	return e
}

// namesMissing reports whether the detail of a "User doesn't exist" names the missing object,
// as "there is no user bob" and "project shop has no topic orders" do.
func namesMissing(message, detail string) bool {
	return strings.HasSuffix(message, "doesn't exist") && strings.Contains(detail, " no ")
}

// maxText is how much of a text from the server an error contains, in bytes.
const maxText = 2000

// printable returns a text from the server as one line. It replaces control characters,
// which could change what a terminal shows.
func printable(text string) string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}
