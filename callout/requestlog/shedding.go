package requestlog

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// quietPeriod is how long no request may be shed before shedding has ended.
const quietPeriod = 5 * time.Second

// Shedding logs when shedding begins, once for each code, and when it ends, with
// the number of requests. It keeps the log short under load: the metrics count every
// shed request, and the audit lists them.
type Shedding struct {
	log *slog.Logger
	now func() time.Time

	active atomic.Bool
	mu     sync.Mutex
	since  time.Time
	last   time.Time
	counts map[string]int // by code
}

// NewShedding returns a Shedding.
func NewShedding(log *slog.Logger, now func() time.Time) *Shedding {
	return &Shedding{log: log, now: now, counts: map[string]int{}}
}

// Count counts one shed request.
func (s *Shedding) Count(code string) {
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

// EndIfQuiet ends shedding if no request was shed for quietPeriod.
func (s *Shedding) EndIfQuiet() {
	s.endIf(func() bool { return s.now().Sub(s.last) >= quietPeriod })
}

// End ends shedding, because the service stops.
func (s *Shedding) End() { s.endIf(func() bool { return true }) }

func (s *Shedding) endIf(ended func() bool) {
	if !s.active.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ended() {
		return
	}
	attrs := []slog.Attr{slog.Duration("for", s.last.Sub(s.since).Round(time.Millisecond))}
	for _, code := range slices.Sorted(maps.Keys(s.counts)) {
		attrs = append(attrs, slog.Int(code, s.counts[code]))
	}
	clear(s.counts)
	s.active.Store(false)
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "shedding has ended", attrs...)
}
