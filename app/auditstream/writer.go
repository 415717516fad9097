package auditstream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Config is where lines go.
type Config struct {
	Conn     *nats.Conn
	Stream   string
	Subject  string        // lines of kind K go to Subject.K
	MaxAge   time.Duration // of a stream that is made here; 0: no limit
	MaxBytes int64         // 0: no limit
	Replicas int

	Spool      string // path; empty: none
	SpoolBytes int64  // at most
	Lines      int    // that wait in memory at most; 0: 8192

	Log *slog.Logger
	Now func() time.Time
}

const (
	defaultLines = 8192
	maxBytes     = 16 << 20 // of the lines in memory
	batchLines   = 256
	batchBytes   = 1 << 20
	// headerBytes is what the header and the subject of a message may take.
	headerBytes = 4 << 10
	// defaultPayload is max_payload of a server that does not say otherwise.
	defaultPayload = 1 << 20
)

var (
	// ErrClosed: the Writer is closed.
	ErrClosed = errors.New("the audit stream is closed")
	// ErrTooLarge: a line is larger than the servers' max_payload.
	ErrTooLarge = errors.New("the event is larger than max_payload of the servers")
	// ErrNotStored: Close gave up before every line was stored.
	ErrNotStored = errors.New("audit events were not stored in the stream")
)

// Writer stores lines. It is safe for concurrent use.
type Writer struct {
	cfg    Config
	js     jetstream.JetStream
	failed failing
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	changed *sync.Cond // anything below
	lines   [][]byte   // that wait, without line ends; the first ones may be under way
	bytes   int
	spool   *spool // nil: none
	closing bool   // no more lines come
	lost    uint64
}

// Open returns a Writer, and opens the spool file. The connection may be down.
func Open(cfg *Config) (*Writer, error) {
	w := &Writer{cfg: *cfg, done: make(chan struct{})}
	w.changed = sync.NewCond(&w.mu)
	w.failed = failing{log: cfg.Log, now: cfg.Now, stream: cfg.Stream}
	if w.cfg.Lines == 0 {
		w.cfg.Lines = defaultLines
	}
	var err error
	if w.js, err = jetstream.New(cfg.Conn, jetstream.WithPublishAsyncTimeout(ackWait)); err != nil {
		return nil, err
	}
	if cfg.Spool != "" {
		if w.spool, err = openSpool(cfg.Spool, cfg.SpoolBytes); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go w.run(ctx)
	return w, nil
}

// Write takes one line with its line end. While everything is full it waits.
func (w *Writer) Write(p []byte) (int, error) {
	line := bytes.Trim(p, "\n")
	if int64(len(line))+headerBytes > cmp.Or(w.cfg.Conn.MaxPayload(), defaultPayload) {
		return 0, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(line))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		switch {
		case w.closing:
			return 0, ErrClosed
		case w.spool.empty() && len(w.lines) < w.cfg.Lines && w.bytes+len(line) <= maxBytes:
			w.lines = append(w.lines, bytes.Clone(line))
			w.bytes += len(line)
			w.changed.Broadcast()
			return len(p), nil
		case w.spool.fits(line):
			if err := w.spool.append(line); err != nil {
				return 0, err
			}
			w.changed.Broadcast()
			return len(p), nil
		}
		w.changed.Wait()
	}
}

// Waiting returns the number of lines that are not stored yet.
func (w *Writer) Waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.lines) + w.spool.count()
}

// Lost returns the number of lines that were taken, and given up.
func (w *Writer) Lost() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Close stores what waits until ctx ends. The rest goes to the spool file, for the next start,
// or is lost. It does not close the connection.
func (w *Writer) Close(ctx context.Context) error {
	w.mu.Lock()
	w.closing = true
	w.changed.Broadcast()
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
		w.cancel()
		<-w.done
	}
	w.cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := len(w.lines)
	err := w.spool.close(w.lines)
	w.lines, w.bytes = nil, 0
	if rest > 0 && (w.spool == nil || err != nil) {
		w.lost += uint64(rest)
		return errors.Join(fmt.Errorf("%w: %d", ErrNotStored, rest), err)
	}
	return err
}
