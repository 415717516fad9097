package assembly

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"usher/app/config"
	"usher/internal/audit"
)

// Audit is the audit of a configuration, wherever it goes.
type Audit struct {
	*audit.Log
	file *audit.File // nil: it goes elsewhere
}

// OpenAudit opens the audit. Errors of later writes go to log.
func OpenAudit(cfg *config.Audit, log *slog.Logger, stderr io.Writer) (*Audit, error) {
	onError := func(err error) {
		log.LogAttrs(context.Background(), slog.LevelError, "audit cannot be written", slog.String("error", err.Error()))
	}
	s := &Audit{}
	var w io.Writer
	switch cfg.To {
	case "file":
		f, err := audit.OpenFile(cfg.File)
		if err != nil {
			return nil, err
		}
		s.file, w = f, f
	case "off":
		w = io.Discard
	default:
		w = stderr
	}
	s.Log = audit.New(w, onError)
	return s, nil
}

// Reopen opens the file again, after it was rotated.
func (s *Audit) Reopen() error {
	if s.file == nil {
		return nil
	}
	return s.file.Reopen()
}

// auditClose is how long the last events may take to be written.
const auditClose = 5 * time.Second

// Close writes the last events.
func (s *Audit) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), auditClose)
	defer cancel()
	if err := s.Log.Close(ctx); err != nil {
		return err // a file that is stuck in a write cannot be closed either
	}
	if s.file != nil {
		return s.file.Close()
	}
	return nil
}

// NewRequestID returns an id that tells requests apart; it need not be secret.
func NewRequestID() string {
	return fmt.Sprintf("%016x%08x", mathrand.Uint64(), mathrand.Uint32()) //nolint:gosec // not a secret
}
