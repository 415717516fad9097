package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"usher/internal/filewatch"
	"usher/internal/strictyaml"
)

const maxLogged = 20 // how many faults of a keyring are logged

// Run reloads the directory whenever its keys change, until ctx ends; then it returns
// nil. It logs the faults of a changed directory, once for each change.
func (s *Store) Run(ctx context.Context) error {
	w := filewatch.Watch{
		Dirs:  func() []string { return filewatch.Targets(s.cfg.Dir, s.names()...) },
		Check: s.reloadAndLog,
		Lost: func(err error) {
			s.cfg.Log.Warn("cannot watch the keyring", slog.String("dir", s.cfg.Dir), slog.String("error", err.Error()))
		},
	}
	if err := w.Run(ctx); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return nil
}

// names returns the symbolic links in the directory. Kubernetes mounts secrets as links.
func (s *Store) names() []string {
	entries, _ := os.ReadDir(s.cfg.Dir) // the reload reports an error
	var names []string
	for _, e := range entries {
		if e.Type()&os.ModeSymlink != 0 && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// reloadAndLog reloads the directory, and logs its faults.
func (s *Store) reloadAndLog() {
	err := s.reload(false)
	if err == nil {
		return
	}
	all := faults(err)
	s.cfg.Log.Error("keyring not loaded; the last good keyring stays in use",
		slog.String("dir", s.cfg.Dir), slog.Int("faults", len(all)))
	for _, f := range all[:min(len(all), maxLogged)] {
		var at strictyaml.Error
		if errors.As(f, &at) {
			s.cfg.Log.Error("fault in the keyring",
				slog.String("file", at.File), slog.Int("line", at.Line), slog.Int("column", at.Column),
				slog.String("path", at.Path), slog.String("message", at.Message), slog.String("hint", at.Hint))
			continue
		}
		s.cfg.Log.Error("fault in the keyring", slog.String("error", f.Error()))
	}
}

// faults returns the errors that were joined.
func faults(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if many, ok := e.(interface{ Unwrap() []error }); ok {
			var all []error
			for _, joined := range many.Unwrap() {
				all = append(all, faults(joined)...)
			}
			return all
		}
	}
	return []error{err}
}
