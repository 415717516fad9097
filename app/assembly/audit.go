package assembly

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/auditstream"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/internal/audit"
	"usher/internal/audit/chain"
	"usher/issuer"
)

// AuditConfig is what OpenAudit needs.
type AuditConfig struct {
	Config  *config.Config
	Keyring func() *issuer.Keyring // its oldest key signs checkpoints; nil: nothing is signed
	// Spool is added to the name of the spool file of audit.to: stream. A command that may run
	// beside a service has NoSpool.
	Spool  string
	Log    *slog.Logger
	Stderr io.Writer
	Now    func() time.Time
}

// NoSpool is the AuditConfig.Spool of processes without a spool file.
const NoSpool = "-"

// Audit writes audit events to the destination of the configuration.
type Audit struct {
	*audit.Log
	file   *audit.File         // nil: the destination is not a file
	stream *auditstream.Writer // nil: it is not a stream
	conn   *nats.Conn
	close  time.Duration // bounds the time to write the last events
}

// auditClose bounds the time to write the last events to a file.
const auditClose = 5 * time.Second

// OpenAudit opens the destination: a file, a stream, stderr, or none. It logs errors of later
// writes.
func OpenAudit(c *AuditConfig) (*Audit, error) {
	onError := func(err error) {
		c.Log.LogAttrs(context.Background(), slog.LevelError, "cannot write the audit", slog.String("error", err.Error()))
	}
	s := &Audit{close: auditClose}
	var err error
	switch c.Config.Audit.To {
	case config.AuditFile:
		var chained *chain.Writer
		if chained, err = s.openFile(c); err == nil {
			s.Log = audit.NewChained(chained, onError)
		}
	case config.AuditStream:
		var chained *chain.Writer
		if chained, err = s.openStream(c); err == nil {
			s.Log = audit.NewChained(chained, onError)
		}
	case config.AuditOff:
		s.Log = audit.New(io.Discard, onError)
	default:
		s.Log = audit.New(c.Stderr, onError)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Audit) openFile(c *AuditConfig) (*chain.Writer, error) {
	path := c.Config.Audit.File
	last, torn, err := audit.LastLine(path)
	if err != nil {
		return nil, err
	}
	if s.file, err = audit.OpenFile(path); err != nil {
		return nil, err
	}
	var after chain.Hash
	if last != nil {
		after = chain.Of(last)
	}
	return chained(c, s.file, after, torn)
}

func (s *Audit) openStream(c *AuditConfig) (*chain.Writer, error) {
	a := &c.Config.Audit
	conn, err := DialAudit(c.Config, natsconn.LogConnectErrors(c.Config, c.Log, c.Now))
	if err != nil {
		return nil, err
	}
	spool := a.File
	if c.Spool == NoSpool {
		spool = ""
	} else if spool != "" {
		spool += c.Spool
	}
	stream, err := auditstream.Open(&auditstream.Config{
		Conn: conn, Stream: a.Stream, Subject: a.Subject, MaxAge: a.MaxAge, MaxBytes: int64(a.MaxBytes), Replicas: a.Replicas,
		Spool: spool, SpoolBytes: int64(a.SpoolBytes), Log: c.Log, Now: c.Now,
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	s.conn, s.stream, s.close = conn, stream, c.Config.Callout.DrainTimeout
	return chained(c, stream, chain.Hash{}, false)
}

// DialAudit opens a connection of the service user for the stream. It succeeds while NATS is
// down, and connects later.
func DialAudit(cfg *config.Config, more ...nats.Option) (*nats.Conn, error) {
	opts, err := natsconn.ServiceOptions(cfg)
	if err != nil {
		return nil, err
	}
	opts = append(opts, nats.Name("usher audit"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true))
	return nats.Connect(natsconn.URLs(cfg), append(opts, more...)...)
}

func chained(c *AuditConfig, out io.Writer, after chain.Hash, torn bool) (*chain.Writer, error) {
	id, err := chain.NewID(c.Now(), rand.Reader)
	if err != nil {
		return nil, err
	}
	w := &chain.Config{Out: out, ID: id, After: after, Torn: torn, Now: c.Now}
	if w.Host, err = os.Hostname(); err != nil {
		w.Host = ""
	}
	if c.Keyring != nil {
		w.Signer = func() chain.Signer { return c.Keyring().Oldest() }
	}
	return chain.NewWriter(w), nil
}

// Reopen opens the file again after log rotation.
func (s *Audit) Reopen() error {
	if s.file == nil {
		return nil
	}
	return s.file.Reopen()
}

// Lost returns the number of events that could not be kept.
func (s *Audit) Lost() uint64 {
	lost := s.Log.Lost()
	if s.stream != nil {
		lost += s.stream.Lost()
	}
	return lost
}

// Waiting returns the number of events that the stream does not have yet.
func (s *Audit) Waiting() int {
	if s.stream == nil {
		return 0
	}
	return s.stream.Waiting()
}

// Close writes the last events.
func (s *Audit) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.close)
	defer cancel()
	err := s.Log.Close(ctx)
	if s.stream != nil {
		err = errors.Join(err, s.stream.Close(ctx))
		s.conn.Close()
		return err
	}
	if err != nil {
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
