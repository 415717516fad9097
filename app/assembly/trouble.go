package assembly

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// trouble is a log that knows what was wrong last.
type trouble struct {
	slog.Handler
	last atomic.Pointer[string]
}

func (t *trouble) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError || t.Handler.Enabled(ctx, l)
}

func (t *trouble) Handle(ctx context.Context, r slog.Record) error {
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

// InTheWay returns ": " and what was wrong last; empty: nothing was.
func (s *Bucket) InTheWay() string {
	text := s.trouble.last.Load()
	if dialing := s.dialing.last.Load(); dialing != nil && !s.Conn.IsConnected() {
		text = dialing
	}
	if text == nil {
		return ""
	}
	return ": " + *text
}
