package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"usher/api/apierror"
	"usher/api/wire"
)

// Response is what a handler returns.
type Response struct {
	Body any    // as JSON; nil: an empty body
	ETag string // with its quotes; empty: none

	// Warnings say what was not done although the request has succeeded. The response has
	// each in a header Warning (RFC 7234 section 5.5, code 299).
	Warnings []string

	// Stream writes the body in place of Body; ContentType is its type.
	Stream      func(w http.ResponseWriter) error
	ContentType string

	after []func() // called when the response has been written
}

// After calls f when the response has been written, or the client has gone.
func (r *Response) After(f func()) { r.after = append(r.after, f) }

// respond sends a success.
func (r *Request) respond(response *Response) error {
	for _, f := range response.after {
		defer f()
	}
	if r.Caller == nil {
		r.dropBody()
	}
	h := r.writer.Header()
	for _, text := range response.Warnings {
		h.Add("Warning", "299 usher "+strconv.Quote(r.redact(text, maxMessage)))
		r.router.cfg.Log.LogAttrs(r.Context(), slog.LevelWarn, "done, but not all of it", slog.String("request", r.id), slog.String("warning", text))
	}
	if response.ETag != "" {
		h.Set("ETag", response.ETag)
		if r.Route.Method == http.MethodGet && r.notModified(response.ETag) {
			r.status = http.StatusNotModified
			r.writer.WriteHeader(r.status)
			return nil
		}
	}
	if response.Stream != nil {
		h.Set("Content-Type", response.ContentType)
		r.status = http.StatusOK
		if err := response.Stream(r.writer); err != nil {
			return fmt.Errorf("write the response: %w", err)
		}
		return nil
	}
	return r.writeJSON(http.StatusOK, response.Body)
}

func (r *Request) writeJSON(status int, body any) error {
	r.writer.Header().Set("Content-Type", "application/json; charset=utf-8")
	var text bytes.Buffer
	if body != nil {
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(body); err != nil {
			return fmt.Errorf("encode the response: %w", err)
		}
	}
	r.status = status
	r.writer.WriteHeader(status)
	_, _ = r.writer.Write(text.Bytes()) // an error means that the client has disconnected
	return nil
}

// respondError sends an error. If the response has begun, the client sees an aborted
// connection instead.
func (r *Request) respondError(e *apierror.Error) {
	if r.status != 0 {
		r.status = e.Code // for the log
		if r.ErrorSent {
			return
		}
		panic(http.ErrAbortHandler)
	}
	r.dropBody()
	for name, values := range e.Header {
		r.writer.Header()[name] = values
	}
	var body any = r.ErrorBody(e)
	if r.Route.OAuthErrors {
		body = r.oauthError(e)
	}
	_ = r.writeJSON(e.Code, body) // an error always encodes
}

// oauthError returns an error as OAuth 2.0 spells it.
func (r *Request) oauthError(e *apierror.Error) wire.OAuthError {
	code := "temporarily_unavailable"
	switch {
	case e.Code == http.StatusInternalServerError:
		code = "server_error"
	case e.Code < http.StatusInternalServerError && e.Code != http.StatusTooManyRequests:
		code = "invalid_request"
	}
	return wire.OAuthError{Error: code, Description: r.redact(e.Message, maxMessage)}
}

// ErrorBody returns an error as the response shows it, without secrets.
func (r *Request) ErrorBody(e *apierror.Error) wire.Error {
	body := wire.ErrorBody{Code: e.Code, Message: r.redact(e.Message, maxMessage), Status: e.Status, RequestID: r.id}
	for _, detail := range e.Details {
		body.Errors = append(body.Errors, r.redact(detail, maxMessage))
	}
	return wire.Error{Error: body}
}

// nameMissing adds which resource of the path does not exist: AMS's message omits it.
func (r *Request) nameMissing(e *apierror.Error) *apierror.Error {
	if e.Missing == "" || len(e.Details) > 0 {
		return e
	}
	name := func(variable string) string { return apierror.SafeName(r.vars[variable]) }
	switch {
	case e.Missing == apierror.Project:
		return e.WithDetails("there is no project " + name(VarProject))
	case e.Missing == apierror.Topic:
		return e.WithDetails("project " + name(VarProject) + " has no topic " + name(VarTopic))
	case e.Missing == apierror.Subscription:
		return e.WithDetails("project " + name(VarProject) + " has no subscription " + name(VarSubscription))
	case e.Missing == apierror.Key:
		return e.WithDetails("user " + name(VarUser) + " has no key " + name(VarKey))
	case e.Missing == apierror.Password:
		return e.WithDetails("user " + name(VarUser) + " has no password")
	case e.Missing == apierror.Session:
		return e.WithDetails("there is no session " + r.vars[VarSession])
	case e.Missing == apierror.Ban:
		return e.WithDetails("there is no ban " + name(VarBan))
	case e.Missing == apierror.NKey, e.Missing == apierror.Certificate, e.Missing == apierror.Binding:
		return e.WithDetails("user " + name(VarUser) + " has no " + e.Missing.Lower() + " " + name(VarKey))
	case e.Missing == apierror.User && r.vars[VarUUID] != "":
		return e.WithDetails("no user has this id")
	case e.Missing == apierror.User && r.vars[VarProject] != "":
		return e.WithDetails("project " + name(VarProject) + " has no member " + name(VarUser))
	case e.Missing == apierror.User:
		return e.WithDetails("there is no user " + name(VarUser))
	default:
		return e
	}
}

// aborted reports whether a handler has panicked to abort the connection.
func aborted(panicked any) bool {
	err, ok := panicked.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}
