package file

import (
	"context"
	"maps"
	"slices"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
)

// HoldBans puts bans into force that are not in the file. f returns them for the directory in
// use, and an error of f is that of HoldBans. They end with the process. The file stays as it
// is; a ban with the id of one in the file holds in its place.
func (s *Store) HoldBans(_ context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := *s.current.Load()
	if s.forgetEnded(s.cfg.Now()) {
		v.snapshot = s.withHeld(v.loaded)
	}
	bans, err := f(v.snapshot)
	if err == nil && len(bans) > 0 {
		v.snapshot, err = v.snapshot.Try(bans)
	}
	if err != nil {
		return nil, err
	}
	for i := range bans {
		s.held[bans[i].Key] = bans[i]
	}
	s.current.Store(&v)
	return v.snapshot, nil
}

// forgetEnded forgets the bans that have ended, and reports whether there were some. The caller
// holds mu.
func (s *Store) forgetEnded(now time.Time) bool {
	before := len(s.held)
	maps.DeleteFunc(s.held, func(_ directory.EntryKey, e directory.Entry) bool {
		b, ok := e.Value.(*directory.Ban)
		return !ok || !b.InForce(now)
	})
	return len(s.held) < before
}

// withHeld returns a directory with the bans that are held. The caller holds mu, unless it has
// the only reference to s.
func (s *Store) withHeld(loaded *snapshot.Snapshot) *snapshot.Snapshot {
	if len(s.held) == 0 {
		return loaded
	}
	next, _ := loaded.Preview(slices.Collect(maps.Values(s.held))) // they were checked before
	return next
}
