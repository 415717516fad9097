package exchange

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// warnAgain is the interval at which a warning is logged again: a heartbeat that is not
// permitted fails every second.
const warnAgain = time.Minute

// warnings keeps when each warning was logged. There are as many as calls of warn.
type warnings struct {
	mu     sync.Mutex
	logged map[string]time.Time
}

func (w *warnings) due(problem string, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, ok := w.logged[problem]; ok && now.Sub(at) < warnAgain {
		return false
	}
	if w.logged == nil {
		w.logged = map[string]time.Time{}
	}
	w.logged[problem] = now
	return true
}

func (x *Exchange) warn(problem string, err error) {
	if errors.Is(err, context.Canceled) || !x.warnings.due(problem, x.cfg.Now()) {
		return
	}
	x.cfg.Log.LogAttrs(context.Background(), slog.LevelWarn, "live sessions of other replicas",
		slog.String("problem", problem), slog.String("error", err.Error()))
}
