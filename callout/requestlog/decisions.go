package requestlog

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/time/rate"

	"usher/internal/audit"
	"usher/internal/secret"
)

// The log is rate limited: it has the first few requests of each code a second, and
// the number of omitted ones. The audit has all of them.
const (
	logPerSecond = 5
	logBurst     = 20
	maxPanicText = 1024 // bytes
)

// Decisions logs decisions and panics, rate limited by code.
type Decisions struct {
	log    *slog.Logger
	mu     sync.Mutex
	byCode map[string]*limitedCode
}

// limitedCode is the rate limit of one code.
type limitedCode struct {
	limiter *rate.Limiter
	omitted int
}

// NewDecisions returns a Decisions.
func NewDecisions(log *slog.Logger) *Decisions {
	return &Decisions{log: log, byCode: map[string]*limitedCode{}}
}

// Decision logs a decision.
func (l *Decisions) Decision(e *audit.Event, level slog.Level) {
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	omitted, ok := l.allow(e.Code)
	if !ok {
		return
	}
	var attrs []slog.Attr
	for _, a := range []slog.Attr{
		slog.String("request_id", e.RequestID),
		slog.String("outcome", e.Outcome),
		slog.String("code", e.Code),
		slog.String("cause", e.Cause),
		slog.String("user", e.User),
		slog.String("identity_id", e.IdentityID),
		slog.String("rule", e.Rule),
		slog.String("client_host", e.ClientHost),
		slog.String("client_name", e.ClientName),
		slog.String("server_name", e.ServerName),
		slog.String("issuer", e.Issuer),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	if omitted > 0 {
		attrs = append(attrs, slog.Int("omitted", omitted))
	}
	l.log.LogAttrs(context.Background(), level, "request", attrs...)
}

// Panicked logs a panic and its stack.
func (l *Decisions) Panicked(p any, stack []byte, filter secret.Filter) {
	if omitted, ok := l.allow("panic"); ok {
		l.log.LogAttrs(context.Background(), slog.LevelError, "panic while handling a request",
			slog.String("panic", filter.Text(fmt.Sprint(p), maxPanicText)), slog.String("stack", secret.Redact(string(stack))), slog.Int("omitted", omitted))
	}
}

// allow reports whether a line with this code may be logged now, and how many were
// omitted before it.
func (l *Decisions) allow(code string) (omitted int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.byCode[code]
	if c == nil {
		c = &limitedCode{limiter: rate.NewLimiter(logPerSecond, logBurst)}
		l.byCode[code] = c
	}
	if !c.limiter.Allow() {
		c.omitted++
		return 0, false
	}
	omitted, c.omitted = c.omitted, 0
	return omitted, true
}
