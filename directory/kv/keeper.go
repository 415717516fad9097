package kv

import (
	"context"
	"log/slog"
	"time"
)

const (
	saveEvery  = 10 * time.Second // at most, while the directory changes
	saveShare  = 20               // and at most this part of the time is spent with it
	staleAfter = 10 * time.Minute // how old the date in the cache may get, of a directory that does not change
)

// keeper writes the cache when the directory has changed, and a last time when
// the function that it returns is called.
func (s *Store) keeper(ctx context.Context) (end func()) {
	if s.cfg.Cache == "" || s.cfg.ReadOnly {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { s.save(context.WithoutCancel(ctx)) }()
		for rest := time.Duration(0); wait(ctx, rest, nil); {
			moved, start := s.moves(), s.cfg.Now()
			if s.save(ctx) {
				rest = max(saveEvery, saveShare*s.cfg.Now().Sub(start))
				continue
			}
			if rest = 0; !wait(ctx, staleAfter, moved) {
				return
			}
		}
	}()
	return func() { <-done }
}

// wait waits for so long, or until something has happened. It returns false when
// ctx has ended.
func wait(ctx context.Context, long time.Duration, happens <-chan struct{}) bool {
	t := time.NewTimer(long)
	defer t.Stop()
	select {
	case <-t.C:
	case <-happens:
	case <-ctx.Done():
		return false
	}
	return true
}

// save writes the cache if the directory has changed, or the cache says of an
// old time that it was up to date then. It returns false if there was nothing to do.
func (s *Store) save(ctx context.Context) bool {
	s.mu.Lock()
	checked, st := s.checked.Load(), s.current.Load() // of one moment
	s.mu.Unlock()
	if st == nil || st == s.saved.Load() && time.Duration(checked-s.savedAt.Load()) <= staleAfter {
		return false
	}
	if err := s.writeCache(st, time.Unix(0, checked)); err != nil {
		s.cfg.Log.LogAttrs(ctx, slog.LevelError, "the snapshot cannot be kept on disk",
			slog.String("file", s.cfg.Cache), slog.String("error", err.Error()))
		return true
	}
	s.saved.Store(st)
	s.savedAt.Store(checked)
	return true
}
