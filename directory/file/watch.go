package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"usher/strictyaml"
)

const (
	settle    = 100 * time.Millisecond // how long the file must be quiet before it is read
	patience  = time.Second            // how long it may be unquiet
	round     = 30 * time.Second       // looks without being told: network file systems tell nothing
	maxLogged = 20                     // faults of one file
)

// Run takes over the file whenever it changes, until ctx ends; then it returns
// nil. What is wrong with a changed file is logged, once for each change.
func (s *Store) Run(ctx context.Context) error {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch directory file: %w", err)
	}
	defer notify.Close() //nolint:errcheck // nothing is left to lose
	w := &watch{notify: notify, path: s.cfg.Path}
	if err := w.renew(); err != nil {
		return fmt.Errorf("watch directory file: %w", err)
	}
	s.lookAndLog() // for what changed since Open

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
			s.cfg.Log.Warn("watching the directory file",
				slog.String("file", s.cfg.Path), slog.String("error", err.Error()))
		case <-quiet.C:
			waiting = s.settled(w, quiet, limit)
			continue
		case <-limit.C:
			waiting = s.settled(w, quiet, limit)
			continue
		case <-rounds.C:
			waiting = s.settled(w, quiet, limit)
			continue
		}
		quiet.Reset(settle)
		if !waiting {
			limit.Reset(patience)
			waiting = true
		}
	}
}

// settled looks at the file and returns false: nothing is waited for then.
func (s *Store) settled(w *watch, quiet, limit *time.Timer) bool {
	quiet.Stop()
	limit.Stop()
	// Before the look, so that no change falls between the two. An error is that
	// the directory is gone, and so is the file: that is what the look reports.
	_ = w.renew()
	s.lookAndLog()
	return false
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// lookAndLog takes over the file if it changed, and logs what is wrong with it.
func (s *Store) lookAndLog() {
	err := s.look(false)
	if err == nil {
		return
	}
	var faults strictyaml.Errors
	if !errors.As(err, &faults) {
		s.cfg.Log.Error("directory file not loaded, the last good one stays in use",
			slog.String("file", s.cfg.Path), slog.String("error", err.Error()))
		return
	}
	s.cfg.Log.Error("directory file not loaded, the last good one stays in use",
		slog.String("file", s.cfg.Path), slog.Int("faults", len(faults)))
	for _, f := range faults[:min(len(faults), maxLogged)] {
		s.cfg.Log.Error("fault in the directory file",
			slog.String("file", f.File), slog.Int("line", f.Line), slog.Int("column", f.Column),
			slog.String("path", f.Path), slog.String("message", f.Message), slog.String("hint", f.Hint))
	}
}

// watch is the set of directories whose changes can change the file. The file
// itself is no use to watch: editors rename another one over it, and Kubernetes
// swaps a symbolic link that its name leads through.
type watch struct {
	notify *fsnotify.Watcher
	path   string
	target string // the directory that the file is in if its name is a link; may be empty
}

// renew watches the directory of the name, again if it was replaced, and the
// directory that the name leads to.
func (w *watch) renew() error {
	home := filepath.Dir(w.path)
	if err := w.notify.Add(home); err != nil {
		return err
	}
	target := ""
	if file, err := filepath.EvalSymlinks(w.path); err == nil {
		if resolved, err := filepath.EvalSymlinks(home); err == nil && filepath.Dir(file) != resolved {
			target = filepath.Dir(file)
		}
	}
	if target == w.target {
		return nil
	}
	if w.target != "" {
		_ = w.notify.Remove(w.target) // it may be gone, and its watch with it
	}
	w.target = target
	if target == "" {
		return nil
	}
	return w.notify.Add(target)
}
