package listener

import (
	"bytes"
	"context"
	"log/slog"
	"sync"

	"golang.org/x/time/rate"

	"usher/internal/secret"
)

// Any client can make net/http report errors, so their rate is limited.
const (
	errorsPerSecond = 1
	errorsBurst     = 10
	maxErrorText    = 1024 // bytes
)

// errorLog writes the errors that net/http reports into the log, within a rate.
type errorLog struct {
	log  *slog.Logger
	name string

	mu      sync.Mutex
	limiter *rate.Limiter
	omitted int
}

// Write implements io.Writer for log.Logger, which calls it once for each error.
func (l *errorLog) Write(p []byte) (int, error) {
	if omitted, ok := l.allow(); ok {
		l.log.LogAttrs(context.Background(), slog.LevelWarn, "HTTP server error",
			slog.String("listener", l.name), slog.Int("omitted", omitted),
			slog.String("complaint", secret.Filter{}.Text(string(bytes.TrimSpace(p)), maxErrorText)))
	}
	return len(p), nil
}

// allow reports whether an error may be logged, and how many were omitted since the last one.
func (l *errorLog) allow() (omitted int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limiter == nil {
		l.limiter = rate.NewLimiter(errorsPerSecond, errorsBurst)
	}
	if !l.limiter.Allow() {
		l.omitted++
		return 0, false
	}
	omitted, l.omitted = l.omitted, 0
	return omitted, true
}
