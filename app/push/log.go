package push

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits of the log: a thousand endpoints that fail at once are a hundred lines, and the
// number of those that are left out.
const (
	logRate  = 5
	logBurst = 100
)

// limitedLog leaves out lines above a rate.
type limitedLog struct {
	log   *slog.Logger
	now   func() time.Time
	limit *rate.Limiter

	mu      sync.Mutex
	leftOut int
}

func (l *limitedLog) add(level slog.Level, message string, a ...slog.Attr) {
	l.mu.Lock()
	if !l.limit.AllowN(l.now(), 1) {
		l.leftOut++
		l.mu.Unlock()
		return
	}
	leftOut := l.leftOut
	l.leftOut = 0
	l.mu.Unlock()
	if leftOut > 0 {
		a = append(a, slog.Int("left_out", leftOut))
	}
	l.log.LogAttrs(context.Background(), level, message, a...) //nolint:sloglint // callers pass constants
}
