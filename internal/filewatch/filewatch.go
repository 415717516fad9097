// Package filewatch says when files may have changed. It watches directories and
// never a file itself: editors rename another one over it, and Kubernetes swaps a
// symbolic link that its name leads through. It promises that a change is looked
// at within seconds where the system tells of it, and within half a minute where
// it does not. It reads nothing: what changed, and whether, the looker finds out.
package filewatch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	settle   = 100 * time.Millisecond // how long it must be quiet before the look
	patience = time.Second            // how long it may be unquiet
	round    = 30 * time.Second       // looks without being told: network file systems tell nothing
)

// Watch is what is watched, and who looks.
type Watch struct {
	// Dirs returns the directories whose changes count. It is asked again before
	// each look: they may have been replaced, or links may lead elsewhere.
	Dirs func() []string
	// Look is called in the beginning and after changes, one at a time.
	Look func()
	// Lost is called when changes may have gone unseen.
	Lost func(error)
}

// Run watches until ctx ends; then it returns nil.
func (w *Watch) Run(ctx context.Context) error {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	defer notify.Close() //nolint:errcheck // nothing is left to lose
	set := &set{notify: notify}
	if err := set.renew(w.Dirs()); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	w.Look() // for what changed before

	quiet, limit := stoppedTimer(), stoppedTimer()
	defer quiet.Stop()
	defer limit.Stop()
	rounds := time.NewTicker(round)
	defer rounds.Stop()
	waiting := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-notify.Events:
		case err := <-notify.Errors: // events may be lost
			w.Lost(err)
		case <-quiet.C:
			waiting = w.settled(set, quiet, limit)
			continue
		case <-limit.C:
			waiting = w.settled(set, quiet, limit)
			continue
		case <-rounds.C:
			waiting = w.settled(set, quiet, limit)
			continue
		}
		quiet.Reset(settle)
		if !waiting {
			limit.Reset(patience)
			waiting = true
		}
	}
}

// settled looks and returns false: nothing is waited for then.
func (w *Watch) settled(set *set, quiet, limit *time.Timer) bool {
	quiet.Stop()
	limit.Stop()
	// Before the look, so that no change falls between the two. An error is that a
	// directory is gone, and so are its files: that is what the look reports.
	_ = set.renew(w.Dirs())
	w.Look()
	return false
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// set is the directories that are watched.
type set struct {
	notify *fsnotify.Watcher
	dirs   []string
}

// renew watches dirs, again those that were replaced, and no others.
func (s *set) renew(dirs []string) error {
	for _, old := range s.dirs {
		if !slices.Contains(dirs, old) {
			_ = s.notify.Remove(old) // it may be gone, and its watch with it
		}
	}
	s.dirs = dirs
	var errs []error
	for _, dir := range dirs {
		errs = append(errs, s.notify.Add(dir))
	}
	return errors.Join(errs...)
}

// Targets returns dir, and the directories that these names in it lead to if
// they are symbolic links, each once.
func Targets(dir string, names ...string) []string {
	dirs := []string{dir}
	home, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return dirs
	}
	for _, name := range names {
		file, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if target := filepath.Dir(file); err == nil && target != home && !slices.Contains(dirs, target) {
			dirs = append(dirs, target)
		}
	}
	return dirs
}
