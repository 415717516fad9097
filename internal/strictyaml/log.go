package strictyaml

import (
	"errors"
	"log/slog"
)

const maxLogged = 20 // faults of one file

// Log logs an error about a file, and each of its faults on a line of its own.
func Log(log *slog.Logger, file, what string, err error) {
	var faults Errors
	if !errors.As(err, &faults) {
		log.Error(what, slog.String("file", file), slog.String("error", err.Error())) //nolint:sloglint // the callers have constants
		return
	}
	log.Error(what, slog.String("file", file), slog.Int("faults", len(faults))) //nolint:sloglint // as above
	for _, f := range faults[:min(len(faults), maxLogged)] {
		log.Error("fault in the file",
			slog.String("file", f.File), slog.Int("line", f.Line), slog.Int("column", f.Column),
			slog.String("path", f.Path), slog.String("message", f.Message), slog.String("hint", f.Hint))
	}
}
