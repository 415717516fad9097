package callout

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// calm is how long nothing may be shed before shedding counts as over.
const calm = 5 * time.Second

// shedding says in the log when requests begin to be shed, once for each code, and
// when that is over, with how many it was: a few lines, however many those are. The metrics
// count each, and the audit has them one by one.
type shedding struct {
	log *slog.Logger
	now func() time.Time

	active atomic.Bool
	mu     sync.Mutex
	since  time.Time
	last   time.Time
	counts map[string]int
}

func newShedding(log *slog.Logger, now func() time.Time) *shedding {
	return &shedding{log: log, now: now, counts: map[string]int{}}
}

// one counts one request that was shed.
func (s *shedding) one(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = s.now()
	s.counts[code]++
	if !s.active.Load() {
		s.active.Store(true)
		s.since = s.last
	}
	if s.counts[code] > 1 {
		return
	}
	s.log.LogAttrs(context.Background(), slog.LevelWarn, "shedding requests", slog.String("code", code))
}

// settle ends the shedding if there was none for a while, or if the service ends.
func (s *shedding) settle(ending bool) {
	if !s.active.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ending && s.now().Sub(s.last) < calm {
		return
	}
	attrs := []slog.Attr{slog.Duration("for", s.last.Sub(s.since).Round(time.Millisecond))}
	for _, c := range Codes() {
		if n := s.counts[c.Code]; n > 0 {
			attrs = append(attrs, slog.Int(c.Code, n))
		}
	}
	clear(s.counts)
	s.active.Store(false)
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "shedding has ended", attrs...)
}
