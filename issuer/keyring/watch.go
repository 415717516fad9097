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

const maxLogged = 20 // faults of one keyring

// Run takes over the directory whenever its keys change, until ctx ends; then it
// returns nil. What is wrong with a changed directory is logged, once for each
// change.
func (s *Store) Run(ctx context.Context) error {
	w := filewatch.Watch{
		Dirs:  func() []string { return filewatch.Targets(s.cfg.Dir, s.names()...) },
		Check: s.lookAndLog,
		Lost: func(err error) {
			s.cfg.Log.Warn("watching the keyring", slog.String("dir", s.cfg.Dir), slog.String("error", err.Error()))
		},
	}
	if err := w.Run(ctx); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return nil
}

// names returns the files of the directory, which may be links: Kubernetes
// mounts secrets so.
func (s *Store) names() []string {
	entries, _ := os.ReadDir(s.cfg.Dir) // what is wrong with it is reported by the look
	var names []string
	for _, e := range entries {
		if e.Type()&os.ModeSymlink != 0 && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// lookAndLog takes over the directory if it changed, and logs what is wrong with it.
func (s *Store) lookAndLog() {
	err := s.look(false)
	if err == nil {
		return
	}
	all := faults(err)
	s.cfg.Log.Error("keyring not loaded, the last good one stays in use",
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

// faults takes an error of read apart into what it was joined from.
func faults(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if many, ok := e.(interface{ Unwrap() []error }); ok {
			var all []error
			for _, one := range many.Unwrap() {
				all = append(all, faults(one)...)
			}
			return all
		}
	}
	return []error{err}
}
