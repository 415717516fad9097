package assembly

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// lastError is a log handler that remembers the last error that was logged.
type lastError struct {
	slog.Handler
	last atomic.Pointer[string]
}

// Enabled implements slog.Handler. Errors always count.
func (t *lastError) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError || t.Handler.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (t *lastError) Handle(ctx context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			text := a.Value.String()
			t.last.Store(&text)
		}
		return true
	})
	if !t.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return t.Handler.Handle(ctx, r)
}

// LastError returns ": " and the error that was logged last; empty: none was logged.
func (s *Bucket) LastError() string {
	text := s.following.last.Load()
	if dialing := s.dialing.last.Load(); dialing != nil && !s.Conn.IsConnected() {
		text = dialing
	}
	if text == nil {
		return ""
	}
	return ": " + *text
}
