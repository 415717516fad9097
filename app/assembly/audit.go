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

// Audit writes audit events to the destination of the configuration.
type Audit struct {
	*audit.Log
	file *audit.File // nil: the destination is not a file
}

// OpenAudit opens the destination: a file, stderr, or none. It logs errors of later
// writes.
func OpenAudit(cfg *config.Audit, log *slog.Logger, stderr io.Writer) (*Audit, error) {
	onError := func(err error) {
		log.LogAttrs(context.Background(), slog.LevelError, "cannot write the audit", slog.String("error", err.Error()))
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

// Reopen opens the file again after log rotation.
func (s *Audit) Reopen() error {
	if s.file == nil {
		return nil
	}
	return s.file.Reopen()
}

// auditClose bounds the time to write the last events.
const auditClose = 5 * time.Second

// Close writes the last events.
func (s *Audit) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), auditClose)
	defer cancel()
	if err := s.Log.Close(ctx); err != nil {
		return err // a file that hangs in a write cannot be closed either
	}
	if s.file != nil {
		return s.file.Close()
	}
	return nil
}

// NewRequestID returns a unique request id of 24 hexadecimal digits. It is not secret.
func NewRequestID() string {
	return fmt.Sprintf("%016x%08x", mathrand.Uint64(), mathrand.Uint32()) //nolint:gosec // not a secret
}
