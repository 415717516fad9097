package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/audit"
	"usher/internal/secret"
)

// call is one request on its way.
type call struct {
	*server
	route *Route
	w     http.ResponseWriter
	r     *http.Request
	id    string
	at    time.Time
	host  string            // the client's address, without the port
	vars  map[string]string // variables of the path
	key   string            // what the client presented; never shown
	body  any               // pointer to the type of route.Request; nil: there is none

	user     *directory.User // who asks; nil: nobody, or not known yet
	keyID    string
	snapshot *snapshot.Snapshot // in which user was found

	change  audit.Change
	written []directory.Entry // what the call has changed, on snapshot
	counted bool              // the name that it asks for is counted as one that is taken
	flood   bool              // one of too many failures: it is not audited
	tried   bool              // nothing is to change: it was only asked what would
	told    bool              // a failure stands in the answer that had begun
	code    int               // what was answered; 0: nothing yet
}

// answer is what a call is answered with when it is done.
type answer struct {
	body   any                     // as JSON; nil: an empty body
	tag    string                  // ETag; empty: none
	typ    string                  // content type of stream
	stream func(w io.Writer) error // in place of body; may be nil
}

// handler does what a route is for. The call is authenticated and authorized.
type handler func(c *call) (*answer, error)

// answerTime is how long after the end of a request its answer may be on its way:
// whoever does not read it keeps no connection.
const answerTime = 10 * time.Second

// serve returns the way of a request to a route.
func (a *server) serve(rt *Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		limit := a.cfg.Timeout
		if rt.Timeout != 0 {
			limit = rt.Timeout
		}
		ctx, done := context.WithTimeout(r.Context(), limit)
		defer done()
		if end, ok := ctx.Deadline(); ok {
			rc := http.NewResponseController(w)
			_ = rc.SetReadDeadline(end) // where it is not supported, the server's own limit holds
			_ = rc.SetWriteDeadline(end.Add(answerTime))
		}
		c := &call{server: a, route: rt, w: w, r: r.WithContext(ctx), id: a.cfg.NewID(), at: a.cfg.Now(), host: hostOf(r.RemoteAddr), vars: map[string]string{}}
		for _, name := range rt.Variables() {
			c.vars[name] = chi.URLParam(r, name)
		}
		h := w.Header()
		h.Set("X-Request-Id", c.id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		var err error
		defer func() { c.end(recover(), err) }()
		var out *answer
		if out, err = c.do(); err == nil {
			err = c.answer(out)
		}
		if err != nil {
			c.answerFailure(c.name(asFailure(err)))
		}
	}
}

// hostOf returns the address of "host:port".
func hostOf(remote string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

// do is the order of checks.
func (c *call) do() (*answer, error) {
	if err := c.checkPath(); err != nil {
		return nil, err
	}
	if !c.route.Access.Open {
		if err := c.authenticate(); err != nil {
			return nil, err
		}
		if err := c.authorize(c.snapshot, c.user); err != nil {
			return nil, c.limited(c.refusals, c.user.ID.String(), asFailure(err), "Too many requests that are refused to this user")
		}
	}
	if err := c.read(); err != nil {
		return nil, err
	}
	c.charge()
	return c.route.handle(c)
}

// pathName is what AMS takes for a name in a path. What may be given to
// something new is for the directory to say.
var pathName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

func (c *call) checkPath() error {
	for _, name := range c.route.Variables() {
		if !pathName.MatchString(c.vars[name]) {
			return invalidName(name, nil)
		}
	}
	return nil
}

func (c *call) answer(out *answer) error {
	h := c.w.Header()
	if out.tag != "" {
		h.Set("ETag", out.tag)
		if c.route.Method == http.MethodGet && c.seen(out.tag) {
			c.code = http.StatusNotModified
			c.w.WriteHeader(c.code)
			return nil
		}
	}
	if out.stream != nil {
		h.Set("Content-Type", out.typ)
		c.code = http.StatusOK
		if err := out.stream(c.w); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
		return nil
	}
	return c.write(http.StatusOK, out.body)
}

func (c *call) write(code int, body any) error {
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	var text bytes.Buffer
	if body != nil {
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(body); err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
	}
	c.code = code
	c.w.WriteHeader(code)
	_, _ = c.w.Write(text.Bytes()) // the client has gone
	return nil
}

func (c *call) answerFailure(f *failure) {
	if c.code != 0 {
		c.code = f.code // the answer had begun: only the log can tell
		if c.told {
			return
		}
		panic(http.ErrAbortHandler)
	}
	for name, values := range f.header {
		c.w.Header()[name] = values
	}
	_ = c.write(f.code, c.shownFailure(f)) // an error always encodes
}

// end writes down what became of the call.
func (c *call) end(panicked any, err error) {
	if aborted, ok := panicked.(error); ok && errors.Is(aborted, http.ErrAbortHandler) {
		defer panic(panicked)
	} else if panicked != nil {
		c.cfg.Log.LogAttrs(c.r.Context(), slog.LevelError, "a request has panicked", slog.String("request_id", c.id),
			slog.String("panic", c.shown(fmt.Sprint(panicked), maxCause)), slog.String("stack", secret.Redact(string(debug.Stack()))))
		err = internal(nil)
		if c.code == 0 {
			c.answerFailure(internal(nil))
		} else {
			defer panic(http.ErrAbortHandler)
		}
	}
	took := c.cfg.Now().Sub(c.at)
	c.record(err, took)
	c.log(err, took)
}

func (c *call) log(err error, took time.Duration) {
	level := slog.LevelDebug // whoever has no key cannot fill the log
	switch {
	case c.code == http.StatusServiceUnavailable, c.code == http.StatusInsufficientStorage:
		level = slog.LevelWarn
	case c.code >= http.StatusInternalServerError:
		level = slog.LevelError
	case c.flood:
	case c.user != nil && c.route.Changes(), c.key != "" && c.code == http.StatusUnauthorized:
		level = slog.LevelInfo
	}
	attrs := []slog.Attr{
		slog.String("request_id", c.id), slog.String("route", c.route.Name), slog.Int("status", c.code),
		slog.String("client_host", c.host), slog.Duration("duration", took),
	}
	if c.user != nil {
		attrs = append(attrs, slog.String("user", c.user.Name), slog.String("key_id", c.keyID))
	}
	if theirs := c.r.Header.Get("X-Request-Id"); theirs != "" {
		attrs = append(attrs, slog.String("client_request_id", c.shown(theirs, maxTheirID)))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", c.causeOf(err)))
	}
	c.cfg.Log.LogAttrs(c.r.Context(), level, "request", attrs...)
}

// causeOf returns what is known of an error, for log and audit.
func (c *call) causeOf(err error) string {
	text := err.Error()
	if f := asFailure(err); f.cause != nil {
		text = f.message + ": " + f.cause.Error()
	} else if len(f.details) > 0 {
		text = f.message + ": " + strings.Join(f.details, "; ")
	}
	return c.shown(text, maxCause)
}
