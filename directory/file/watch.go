package file

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"usher/internal/filewatch"
	"usher/internal/strictyaml"
)

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
	if err := s.reload(false); err != nil {
		strictyaml.Log(s.cfg.Log, s.cfg.Path, "directory file not loaded; the last good one stays in use", err)
	}
}
