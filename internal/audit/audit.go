// Package audit keeps one structured event per decision, and one per change of
// the directory, as JSON lines.
//
// It promises that an event is written after the answer has gone out, that what
// the disk does not take is counted and never holds the service up for long, and
// that nothing is written which looks like a secret (package secret), whichever field
// it stands in. It never decides anything.
package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"usher/internal/secret"
)

// Event is one decision. Empty fields are left out of the line.
type Event struct {
	Time      time.Time // when the request arrived
	RequestID string
	Outcome   string
	Code      string // a code of docs/reference/errors.md
	Cause     string // one line for people

	User     string // who it turned out to be, as far as known
	Method   string
	Verifier string
	KeyID    string
	Account  string // where a granted connection was placed
	Expires  time.Time

	ClientHost   string
	ClientID     uint64
	ClientKind   string
	ClientType   string
	ClientName   string
	MQTTClientID string
	ServerID     string
	ServerName   string
	Issuer       string // public key that signed, or was asked for

	Queue, Open, Verify, Derive, Issue, Total time.Duration
}

// queueLength is how many events may wait for a slow disk before the workers do.
const queueLength = 8192

// patience is how long a worker waits for a full queue, once. After that the
// writer counts as stuck, and nobody waits until it has written again: a disk
// that hangs must not keep clients out.
const patience = 250 * time.Millisecond

// Errors that onError hears of, and Close returns.
var (
	ErrStuck  = errors.New("the audit is not taken fast enough; events are lost")
	ErrUnread = errors.New("audit events were left unwritten")
)

// event is one line: an Event or a Change.
type event interface {
	record() slog.Record
}

// Log writes events in the order in which it got them. Safe for concurrent use.
type Log struct {
	events  chan event
	stop    chan struct{}
	done    chan struct{}
	stuck   atomic.Bool
	handler slog.Handler
	lost    atomic.Uint64
	failing atomic.Bool
	onError func(error) // may be nil
	close   sync.Once
}

// New returns a Log that writes JSON lines to w until Close. onError, which may
// be nil, hears of the first failed write after a good one, and of ErrStuck.
func New(w io.Writer, onError func(error)) *Log {
	l := &Log{
		events:  make(chan event, queueLength),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		handler: slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: noLevel}),
		onError: onError,
	}
	go l.run()
	return l
}

// Write takes one decision. It waits a little while the queue is full, and not at
// all while the writer is stuck. Call it after the answer has gone out.
func (l *Log) Write(e Event) { l.put(&e) } //nolint:gocritic // an event is handed over, not shared

// WriteChange takes one change, in the same way and into the same queue.
func (l *Log) WriteChange(c Change) { l.put(&c) }

func (l *Log) put(e event) {
	select {
	case l.events <- e:
		return
	default:
	}
	if !l.stuck.Load() {
		wait := time.NewTimer(patience)
		defer wait.Stop()
		select {
		case l.events <- e:
			return
		case <-l.stop:
		case <-wait.C:
			if !l.stuck.Swap(true) {
				l.complain(ErrStuck)
			}
		}
	}
	l.lost.Add(1)
}

// TryWrite takes one decision unless the queue is full; for places that must not wait.
func (l *Log) TryWrite(e Event) bool {
	select {
	case l.events <- &e:
		return true
	default:
		l.lost.Add(1)
		return false
	}
}

// Lost returns how many events could not be kept.
func (l *Log) Lost() uint64 { return l.lost.Load() }

// Close writes what is queued and stops; if ctx ends first, the error is
// ErrUnread, and the writer may still be in a write. Events that come later are
// lost.
func (l *Log) Close(ctx context.Context) error {
	l.close.Do(func() { close(l.stop) })
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %d", ErrUnread, len(l.events))
	}
}

func (l *Log) run() {
	defer close(l.done)
	for {
		select {
		case e := <-l.events:
			l.write(e)
		case <-l.stop:
			for {
				select {
				case e := <-l.events:
					l.write(e)
				default:
					return
				}
			}
		}
	}
}

func (l *Log) write(e event) {
	err := l.handler.Handle(context.Background(), e.record())
	if err == nil {
		l.stuck.Store(false)
		l.failing.Store(false)
		return
	}
	l.lost.Add(1)
	if !l.failing.Swap(true) {
		l.complain(err)
	}
}

func (l *Log) complain(err error) {
	if l.onError != nil {
		l.onError(err)
	}
}

func (e *Event) record() slog.Record {
	r := slog.NewRecord(e.Time, slog.LevelInfo, "decision", 0)
	text := func(key, value string) {
		if value != "" {
			r.AddAttrs(slog.String(key, secret.RedactDetected(value)))
		}
	}
	text("request_id", e.RequestID)
	text("outcome", e.Outcome)
	text("code", e.Code)
	text("cause", e.Cause)
	text("user", e.User)
	text("method", e.Method)
	text("verifier", e.Verifier)
	text("key_id", e.KeyID)
	text("account", e.Account)
	if !e.Expires.IsZero() {
		r.AddAttrs(slog.Time("expires", e.Expires))
	}
	text("client_host", e.ClientHost)
	if e.ClientID != 0 {
		r.AddAttrs(slog.Uint64("client_id", e.ClientID))
	}
	text("client_kind", e.ClientKind)
	text("client_type", e.ClientType)
	text("client_name", e.ClientName)
	text("mqtt_client_id", e.MQTTClientID)
	text("server_id", e.ServerID)
	text("server_name", e.ServerName)
	text("issuer", e.Issuer)
	r.AddAttrs(slog.Group("duration_us", micros("queue", e.Queue), micros("open", e.Open),
		micros("verify", e.Verify), micros("derive", e.Derive), micros("issue", e.Issue), micros("total", e.Total)))
	return r
}

func micros(key string, d time.Duration) slog.Attr { return slog.Int64(key, d.Microseconds()) }

func noLevel(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}
