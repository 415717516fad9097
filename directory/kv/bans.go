package kv

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// concernsEverybody reports whether entries change bans whose target is not a user of the
// directory, so that they may concern anybody.
func concernsEverybody(before, after *snapshot.Snapshot, entries []directory.Entry) bool {
	for i := range entries {
		if entries[i].Key.Kind != directory.KindBan {
			continue
		}
		for _, s := range []*snapshot.Snapshot{before, after} {
			if b, ok := s.Bans().Find(entries[i].Key.Name); ok && s.Concerned(&b.Target) == uuid.Nil {
				return true
			}
		}
	}
	return false
}

// banMargin is how long a ban stays after its end, so that people and replicas with a slow
// clock still see it.
const banMargin = 10 * time.Minute

// sweepBans removes bans that have ended.
func (s *Store) sweepBans(ctx context.Context) {
	now := s.cfg.Now().Add(-banMargin)
	if current := s.Snapshot(); current == nil || len(current.Bans().Ended(now)) == 0 {
		return
	}
	n := 0
	_, err := s.Change(ctx, func(current *snapshot.Snapshot) ([]directory.Entry, error) {
		var change []directory.Entry
		for _, k := range current.Bans().Ended(now) {
			change = append(change, directory.Entry{Key: k})
		}
		n = len(change)
		return change, nil
	})
	switch {
	case err != nil && !errors.Is(err, ErrUnavailable):
		s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "cannot remove ended bans", slog.String("error", err.Error()))
	case err == nil && n > 0:
		s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "removed ended bans", slog.Int("bans", n))
	}
}
