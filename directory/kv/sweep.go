package kv

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
)

// sweepInterval is the time between two searches for orphaned entries. Removing a user
// or project takes less.
const sweepInterval = 10 * time.Minute

// startSweeping removes orphaned entries and ended bans until ctx ends. Orphaned are entries of
// users and projects whose removal was interrupted between its parts. They are invisible, and
// they keep the ids from being used again. wait waits for the end.
func (s *Store) startSweeping(ctx context.Context) (wait func()) {
	if s.cfg.ReadOnly {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seen := []directory.EntryKey(nil); sleep(ctx, sweepInterval, nil); {
			seen = s.sweep(ctx, seen)
			s.sweepBans(ctx)
		}
	}()
	return func() { <-done }
}

// sweep removes the orphans that the sweep before has seen, and returns those that
// there are now. A removal that is under way has orphans too, for a short time.
func (s *Store) sweep(ctx context.Context, seen []directory.EntryKey) []directory.EntryKey {
	for _, k := range seen {
		n := 0
		_, err := s.Change(ctx, func(now *snapshot.Snapshot) ([]directory.Entry, error) {
			change := now.RemoveOrphan(k)
			n = len(change)
			return change, nil
		})
		log := []slog.Attr{slog.String("of", k.String()), slog.Int("entries", n)}
		switch {
		case errors.Is(err, ErrUnavailable):
			return nil
		case err != nil:
			s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "cannot remove orphaned entries", append(log, slog.String("error", err.Error()))...)
		case n > 0:
			s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "removed orphaned entries", log...)
		}
	}
	if now := s.Snapshot(); now != nil {
		return now.Orphans()
	}
	return nil
}
