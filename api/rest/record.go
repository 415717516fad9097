package rest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"usher/api/apierror"
	"usher/api/wire"
	"usher/internal/audit"
	"usher/internal/secret"
)

// finish writes the outcome of the request into audit, log and trace. It also answers a request
// whose handler has panicked.
func (r *Request) finish(panicked any, err error) {
	if aborted(panicked) {
		defer panic(panicked)
	} else if panicked != nil {
		r.router.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "request handler panicked", slog.String("request_id", r.id),
			slog.String("panic", r.redact(fmt.Sprint(panicked), maxCause)), slog.String("stack", secret.Redact(string(debug.Stack()))))
		err = apierror.Internal(nil)
		if r.status == 0 {
			r.respondError(apierror.Internal(nil))
		} else {
			defer panic(http.ErrAbortHandler)
		}
	}
	now := r.router.cfg.Now()
	took := now.Sub(r.arrived)
	r.audit(err, took)
	r.log(err, took)
	r.trace(err, took)
	if observe := r.router.cfg.Observe; observe != nil {
		observe(Ended{ID: r.id, Route: r.Route.Name, Status: r.status, Took: took, At: now})
	}
}

func (r *Request) log(err error, took time.Duration) {
	level := slog.LevelDebug // a client without a key must not be able to fill the log
	switch {
	case r.status == http.StatusServiceUnavailable, r.status == http.StatusInsufficientStorage:
		level = slog.LevelWarn
	case r.status >= http.StatusInternalServerError:
		level = slog.LevelError
	case r.RateLimited:
	case r.Caller != nil && (r.Route.Changes() || r.status == http.StatusForbidden), r.refused:
		level = slog.LevelInfo
	}
	attrs := []slog.Attr{
		slog.String("request_id", r.id), slog.String("route", r.Route.Name), slog.Int("status", r.status),
		slog.String("client_host", r.host), slog.Duration("duration", took),
	}
	if r.Caller != nil {
		attrs = append(attrs, slog.String("user", r.Caller.Name), slog.String("key_id", r.Identity.KeyID))
	}
	if clientID := r.HTTP.Header.Get(headerRequestID); clientID != "" {
		attrs = append(attrs, slog.String("client_request_id", r.redact(clientID, maxClientID)))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", r.causeOf(err)))
	}
	r.router.cfg.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// causeOf returns the cause of an error, for log and audit.
func (r *Request) causeOf(err error) string {
	text := err.Error()
	e := apierror.From(err)
	if cause := e.Unwrap(); cause != nil {
		text = e.Message + ": " + cause.Error()
	} else if len(e.Details) > 0 {
		text = e.Message + ": " + strings.Join(e.Details, "; ")
	}
	return r.redact(text, maxCause)
}

// audited reports whether the audit has a line about a request that ended with err: if it was
// to change something, or if its caller may not publish or consume the messages.
func (r *Request) audited(err error) bool {
	if r.DryRun || r.RateLimited || r.Change.Actor == "" { // nobody changes nothing
		return false
	}
	return r.Route.Changes() || r.Route.MovesMessages && err != nil && apierror.From(err).Code == http.StatusForbidden
}

// audit writes a change, or what was refused, into the audit.
func (r *Request) audit(err error, took time.Duration) {
	if r.Caller != nil {
		r.Change.Actor, r.Change.ActorKeyID = r.Caller.Name, r.Identity.KeyID
	}
	if !r.audited(err) {
		return
	}
	change := r.Change
	change.Time, change.RequestID, change.ClientHost = r.arrived, r.id, r.host
	change.Action, change.Resource, change.Total = r.Route.Name, r.resource(), took
	change.Outcome = audit.Changed
	if err != nil {
		e := apierror.From(err)
		change.Outcome, change.Code, change.Cause = audit.Refused, strings.ToLower(e.Status), r.causeOf(err)
		change.After, change.Revision = nil, 0
		if e.Code >= http.StatusInternalServerError {
			change.Outcome = audit.Failed
		}
	}
	r.router.cfg.Audit(change)
}

// resource is what a change is about: the path without its version and its custom
// method, such as ":add". A variable that looks like a secret is hidden.
func (r *Request) resource() string {
	path, _, _ := strings.Cut(strings.TrimPrefix(r.Route.Path, "/v1"), ":")
	for _, name := range r.Route.Variables() {
		value := r.vars[name]
		if !secret.NewFilter(r.key).Clean(value) || !NameIn(name).MatchString(value) {
			value = secret.Hidden
		}
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	return path
}

// auditJSON returns a resource as JSON for the audit. It keeps only the host of push
// addresses: the rest can contain secrets. It keeps no header.
func auditJSON(shown any) (json.RawMessage, error) {
	if s, ok := shown.(wire.Subscription); ok {
		s.PushConfig.PushEndpoint = schemeAndHost(s.PushConfig.PushEndpoint)
		s.PushConfig.MattermostURL = schemeAndHost(s.PushConfig.MattermostURL)
		s.PushConfig.AuthorizationHeader = wire.AuthorizationHeader{Type: s.PushConfig.AuthorizationHeader.Type}
		shown = s
	}
	return json.Marshal(shown)
}

// schemeAndHost returns the scheme and the host of an address.
func schemeAndHost(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
