package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"usher/internal/filewatch"
	"usher/internal/strictyaml"
)

const maxLogged = 20 // faults of one file

// Run loads the file whenever it changes, until ctx ends; then it returns nil. Faults of
// a changed file are logged once for each change.
func (s *Store) Run(ctx context.Context) error {
	w := filewatch.Watch{
		Dirs:  func() []string { return filewatch.Targets(filepath.Dir(s.cfg.Path), filepath.Base(s.cfg.Path)) },
		Check: s.reloadAndLog,
		Lost: func(err error) {
			s.cfg.Log.Warn("cannot watch the directory file",
				slog.String("file", s.cfg.Path), slog.String("error", err.Error()))
		},
	}
	if err := w.Run(ctx); err != nil {
		return fmt.Errorf("directory file: %w", err)
	}
	return nil
}

// reloadAndLog loads the file if it has changed, and logs its faults.
func (s *Store) reloadAndLog() {
	err := s.reload(false)
	if err == nil {
		return
	}
	var faults strictyaml.Errors
	if !errors.As(err, &faults) {
		s.cfg.Log.Error("directory file not loaded; the last good one stays in use",
			slog.String("file", s.cfg.Path), slog.String("error", err.Error()))
		return
	}
	s.cfg.Log.Error("directory file not loaded; the last good one stays in use",
		slog.String("file", s.cfg.Path), slog.Int("faults", len(faults)))
	for _, f := range faults[:min(len(faults), maxLogged)] {
		s.cfg.Log.Error("fault in the directory file",
			slog.String("file", f.File), slog.Int("line", f.Line), slog.Int("column", f.Column),
			slog.String("path", f.Path), slog.String("message", f.Message), slog.String("hint", f.Hint))
	}
}
