package kv

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
)

// sweepEvery is how often it is looked for what is left of users and projects that
// are gone. It is longer than anybody takes to remove one.
const sweepEvery = 10 * time.Minute

// sweeper removes what is left of users and projects whose removal was cut between
// its parts: it would keep their ids from being used again, and no one sees it.
func (s *Store) sweeper(ctx context.Context) (end func()) {
	if s.cfg.ReadOnly {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seen := []directory.EntryKey(nil); wait(ctx, sweepEvery, nil); {
			seen = s.sweep(ctx, seen)
		}
	}()
	return func() { <-done }
}

// sweep removes what it has seen before, and returns what it sees now.
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
			s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "what is left of a removal cannot be removed", append(log, slog.String("error", err.Error()))...)
		case n > 0:
			s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "what was left of a removal is removed", log...)
		}
	}
	if now := s.Snapshot(); now != nil {
		return now.Orphans()
	}
	return nil
}
