package kv

import (
	"context"
	"log/slog"
	"time"

	"usher/directory/kv/diskcache"
)

const (
	minSaveInterval = 10 * time.Second // between two saves while the directory changes
	saveCostFactor  = 20               // the interval is at least this many times as long as the last save took
	maxCheckedAge   = 10 * time.Minute // after which a save updates the time in the cache, even if the directory has not changed
)

// startSaving saves the snapshot to the cache when the directory has changed, and a
// last time when ctx ends. wait waits for that.
func (s *Store) startSaving(ctx context.Context) (wait func()) {
	if s.cfg.Cache == "" || s.cfg.ReadOnly {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { s.save(context.WithoutCancel(ctx)) }()
		for pause := time.Duration(0); sleep(ctx, pause, nil); {
			replaced, start := s.replacedSignal(), s.cfg.Now()
			if s.save(ctx) {
				pause = max(minSaveInterval, saveCostFactor*s.cfg.Now().Sub(start))
				continue
			}
			if pause = 0; !sleep(ctx, maxCheckedAge, replaced) {
				return
			}
		}
	}()
	return func() { <-done }
}

// save writes the cache if the directory has changed, or if the cache was up to date
// too long ago. It returns false if there was nothing to do.
func (s *Store) save(ctx context.Context) bool {
	s.mu.Lock()
	checked, st := s.checked.Load(), s.current.Load() // both from the same time
	s.mu.Unlock()
	if st == nil || st == s.saved.Load() && time.Duration(checked-s.savedChecked.Load()) <= maxCheckedAge {
		return false
	}
	err := diskcache.Write(s.cfg.Cache, &diskcache.Contents{
		Bucket: s.cfg.Bucket, Created: st.bucketCreated, Revision: st.revision, Written: st.written, Checked: time.Unix(0, checked),
		Faulty: s.faults.any(), Snapshot: st.snapshot, Charges: s.charges.Load(),
	})
	if err != nil {
		s.cfg.Log.LogAttrs(ctx, slog.LevelError, "cannot save the directory snapshot to disk",
			slog.String("file", s.cfg.Cache), slog.String("error", err.Error()))
		return true
	}
	s.saved.Store(st)
	s.savedChecked.Store(checked)
	return true
}
