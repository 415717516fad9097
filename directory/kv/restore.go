package kv

import (
	"errors"
	"io/fs"
	"log/slog"

	"usher/directory"
	"usher/directory/kv/diskcache"
)

// errWasUnreadable: the cache lacks the content of an entry.
var errWasUnreadable = errors.New("the entry was unreadable when the snapshot was written")

// restore puts the cached snapshot into use, if there is a good one.
func (s *Store) restore() {
	if s.cfg.Cache == "" {
		return
	}
	start := s.cfg.Now()
	c, err := diskcache.Read(s.cfg.Cache, s.cfg.Bucket)
	path := slog.String("file", s.cfg.Cache)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		s.wasUsed = !errors.Is(err, diskcache.ErrOtherBucket)
		s.cfg.Log.Error("cannot use the directory snapshot on disk; waiting for the bucket", path, slog.String("error", err.Error()))
		return
	}
	st := stateOf(c)
	st.at = s.cfg.Now()
	s.faults.addProblems(c.Revision, c.Problems)
	if st.reread {
		for e := range st.snapshot.Entries() {
			if _, unreadable := e.Value.(*directory.Unreadable); unreadable {
				s.faults.add(e.Key.String(), e.Revision, errWasUnreadable.Error())
			}
		}
	}
	s.charges.Store(c.Charges)
	s.current.Store(st)
	s.checked.Store(c.Checked.UnixNano())
	s.saved.Store(st)
	s.savedChecked.Store(c.Checked.UnixNano())
	size := st.snapshot.Size()
	s.cfg.Log.Info("directory loaded from the snapshot on disk", path, slog.Duration("age", start.Sub(c.Checked)),
		slog.Uint64("revision", st.revision), slog.Int("users", size.Users), slog.Int("projects", size.Projects))
	s.announceLoad(uint64(size.Users + size.Keys)) //nolint:gosec // counts
}

func stateOf(c *diskcache.Contents) *state {
	return &state{snapshot: c.Snapshot, revision: c.Revision, written: c.Written, bucketCreated: c.Created, reread: c.Faulty}
}
