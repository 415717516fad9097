// Package filewatch reports when files may have changed. It watches directories
// and never a file itself: editors rename a new file over the old one, and
// Kubernetes swaps a symbolic link on the way to it.
//
// It promises to report a change within seconds where the system sends events, and
// within half a minute where it does not. It reads no file: the callback finds out
// what changed.
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
	debounce = 100 * time.Millisecond // without events before a check
	maxDelay = time.Second            // from the first event to a check, however many follow
	poll     = 30 * time.Second       // between checks without events: network file systems send none
)

// Watch watches directories and calls back on changes.
type Watch struct {
	// Dirs returns the directories to watch. It is called again before each check,
	// because a directory may have been replaced and a link may lead elsewhere.
	Dirs func() []string
	// Check is called at the start and after changes, one call at a time.
	Check func()
	// Lost is called when events may have been lost.
	Lost func(error)
}

// Run watches until ctx ends; then it returns nil.
func (w *Watch) Run(ctx context.Context) error {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	defer notify.Close() //nolint:errcheck // there is nothing to lose
	watched := &watchedDirs{notify: notify}
	if err := watched.update(w.Dirs()); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	w.Check() // for changes before the watch began

	quiet, deadline := stoppedTimer(), stoppedTimer()
	defer quiet.Stop()
	defer deadline.Stop()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	pending := false // an event has come since the last check
	check := func() {
		pending = false
		quiet.Stop()
		deadline.Stop()
		// Before the check, so that no change falls between the two. An error means
		// that a directory is gone, and its files with it: the check reports that.
		_ = watched.update(w.Dirs())
		w.Check()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-notify.Events:
		case err := <-notify.Errors: // events may be lost
			w.Lost(err)
		case <-quiet.C:
			check()
			continue
		case <-deadline.C:
			check()
			continue
		case <-ticker.C:
			check()
			continue
		}
		quiet.Reset(debounce)
		if !pending {
			deadline.Reset(maxDelay)
			pending = true
		}
	}
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// watchedDirs is the set of directories that fsnotify watches.
type watchedDirs struct {
	notify *fsnotify.Watcher
	dirs   []string
}

// update watches dirs and no others. It adds each again, because a directory that
// was replaced has lost its watch.
func (s *watchedDirs) update(dirs []string) error {
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

// Targets returns dir and the directories that hold the targets of these names in
// it, for those that are symbolic links. Each directory is listed once.
func Targets(dir string, names ...string) []string {
	dirs := []string{dir}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return dirs
	}
	for _, name := range names {
		file, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if target := filepath.Dir(file); err == nil && target != resolved && !slices.Contains(dirs, target) {
			dirs = append(dirs, target)
		}
	}
	return dirs
}
