package callout

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/time/rate"

	"usher/internal/audit"
	"usher/internal/secret"
)

// A flood of requests must not become a flood of log lines: the audit has them
// all, the log has the first few of each code a second, and how many it left out.
const (
	logPerSecond = 5
	logBurst     = 20
	maxPanic     = 1024 // bytes
)

type decisionLog struct {
	log    *slog.Logger
	mu     sync.Mutex
	byCode map[string]*limited
}

type limited struct {
	limiter *rate.Limiter
	left    int
}

func newDecisionLog(log *slog.Logger) *decisionLog {
	return &decisionLog{log: log, byCode: map[string]*limited{}}
}

func (l *decisionLog) decision(e *audit.Event) {
	level := levelOf(Outcome(e.Outcome))
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	omitted, ok := l.admit(e.Code)
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

// panicked logs a panic and where it was, the first few a second.
func (l *decisionLog) panicked(p any, stack []byte, filter secret.Filter) {
	if omitted, ok := l.admit("panic"); ok {
		l.log.LogAttrs(context.Background(), slog.LevelError, "panic while handling a request",
			slog.String("panic", filter.Text(fmt.Sprint(p), maxPanic)), slog.String("stack", secret.Redact(string(stack))), slog.Int("omitted", omitted))
	}
}

// admit reports whether a line with this code may be written now, and how many
// like it were left out before.
func (l *decisionLog) admit(code string) (omitted int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.byCode[code]
	if c == nil {
		c = &limited{limiter: rate.NewLimiter(logPerSecond, logBurst)}
		l.byCode[code] = c
	}
	if !c.limiter.Allow() {
		c.left++
		return 0, false
	}
	omitted, c.left = c.left, 0
	return omitted, true
}

func levelOf(o Outcome) slog.Level {
	switch o {
	case Granted:
		return slog.LevelDebug
	case Denied:
		return slog.LevelInfo
	case Unavailable, Shed, Malformed:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}
