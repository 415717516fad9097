// Package audit writes one structured event per decision and per change of the
// directory, as JSON lines.
//
// It promises that a slow or full disk never holds up the service for long, that
// every lost event is counted, and that nothing in any field that looks like a secret
// is written (package secret). It never decides anything.
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

	"usher/internal/audit/chain"
	"usher/internal/secret"
)

// Event is one decision. Empty fields are left out of the line.
type Event struct {
	Time      time.Time // when the request arrived
	RequestID string
	Outcome   string
	Code      string // a code of docs/reference/errors.md
	Cause     string // one line for people

	User       string // verified user name, if known
	Authority  string // who vouches for the identity
	IdentityID string // what the authority calls it; empty for users of the directory
	Rule       string // names of the rules of identities that matched
	Profile    string // of usher.yaml, which a rule gave
	Method     string
	Verifier   string
	KeyID      string
	Account    string // of a granted connection
	Expires    time.Time

	ClientHost   string
	ClientID     uint64
	ClientKind   string
	ClientType   string
	ClientName   string
	MQTTClientID string
	ServerID     string
	ServerName   string
	Issuer       string // public key that signed, or that the request asked for

	DirectoryRevision uint64 // of the directory that decided; 0: none

	Queue, Open, Verify, Derive, Issue, Total time.Duration
}

// queueLength is the number of events that wait for a slow disk before callers do.
const queueLength = 8192

// maxWait is how long a caller waits for a full queue. After that the writer counts as
// stuck, and callers drop events at once until it writes again: a disk that hangs must
// not keep clients from connecting.
const maxWait = 250 * time.Millisecond

var (
	// ErrStuck: the writer does not keep up, and events are lost.
	ErrStuck = errors.New("the audit writer does not keep up; events are lost")
	// ErrUnwritten: Close gave up before every event was written.
	ErrUnwritten = errors.New("audit events were not written")
)

// event is one line: an Event or a Change.
type event interface {
	record() slog.Record
}

// Log writes events in the order of the calls. It is safe for concurrent use.
type Log struct {
	events  chan event
	stop    chan struct{}
	done    chan struct{}
	stuck   atomic.Bool
	handler slog.Handler
	lost    atomic.Uint64
	failing atomic.Bool
	onError func(error) // may be nil
	observe func(*Event)
	close   sync.Once
	chain   *chain.Writer // nil: lines are written as they are
}

// A checkpoint is written after this many lines, and this long after the last one if there
// are any.
const (
	checkpointLines    = 1000
	CheckpointInterval = time.Minute
)

// signing bounds the time for one signature, which a program may make. Events wait for it.
const signing = 2 * time.Second

// New returns a Log that writes JSON lines to w until Close. It calls onError, unless
// that is nil, with the first error after a successful write, and with ErrStuck.
func New(w io.Writer, onError func(error)) *Log {
	l := newLog(w, onError)
	go l.run()
	return l
}

// NewChained is New with lines that w chains and signs.
func NewChained(w *chain.Writer, onError func(error)) *Log {
	l := newLog(w, onError)
	l.chain = w
	go l.run()
	return l
}

func newLog(w io.Writer, onError func(error)) *Log {
	return &Log{
		events:  make(chan event, queueLength),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		handler: slog.NewJSONHandler(escaping{w}, &slog.HandlerOptions{ReplaceAttr: noLevel}),
		onError: onError,
	}
}

// Write queues one decision. It waits up to 250 ms while the queue is full, and not at
// all while the writer is stuck. Call it after the answer was sent.
func (l *Log) Write(e Event) { //nolint:gocritic // the caller gives the event away
	if l.observe != nil {
		l.observe(&e)
	}
	l.put(&e)
}

// Observe has f called with each decision that Write gets, before it returns. Call it once,
// before the first Write.
func (l *Log) Observe(f func(*Event)) { l.observe = f }

// WriteChange queues one change, as Write does.
func (l *Log) WriteChange(c Change) { l.put(&c) }

func (l *Log) put(e event) {
	select {
	case l.events <- e:
		return
	default:
	}
	if !l.stuck.Load() {
		wait := time.NewTimer(maxWait)
		defer wait.Stop()
		select {
		case l.events <- e:
			return
		case <-l.stop:
		case <-wait.C:
			if !l.stuck.Swap(true) {
				l.reportError(ErrStuck)
			}
		}
	}
	l.lost.Add(1)
}

// TryWrite queues one decision unless the queue is full. It never waits.
func (l *Log) TryWrite(e Event) bool {
	select {
	case l.events <- &e:
		return true
	default:
		l.lost.Add(1)
		return false
	}
}

// Lost returns the number of events that were not written.
func (l *Log) Lost() uint64 { return l.lost.Load() }

// Close writes the queued events and stops. If ctx ends first, it returns ErrUnwritten,
// and a write may still be in progress. Events that are queued later are lost.
func (l *Log) Close(ctx context.Context) error {
	l.close.Do(func() { close(l.stop) })
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %d", ErrUnwritten, len(l.events))
	}
}

func (l *Log) run() {
	defer close(l.done)
	var tick <-chan time.Time
	if l.chain != nil {
		ticker := time.NewTicker(CheckpointInterval)
		defer ticker.Stop()
		tick = ticker.C
		l.checkpoint(chain.Start)
		defer l.checkpoint(chain.Close)
	}
	for {
		select {
		case e := <-l.events:
			l.write(e)
		case <-tick:
			if lines := l.chain.Unsigned(); lines > 0 {
				l.checkpoint(chain.Interval)
			}
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

func (l *Log) checkpoint(reason chain.Reason) {
	ctx, cancel := context.WithTimeout(context.Background(), signing)
	defer cancel()
	if err := l.chain.Checkpoint(ctx, reason, l.lost.Load()); err != nil {
		l.reportError(err)
	}
}

func (l *Log) write(e event) {
	if l.chain != nil && !l.chain.Started() { // the disk was full then
		l.checkpoint(chain.Start)
	}
	err := l.handler.Handle(context.Background(), e.record())
	if err == nil {
		l.stuck.Store(false)
		l.failing.Store(false)
		if l.chain == nil {
			return
		}
		// Each multiple: a key that cannot sign is not asked again for every line.
		if lines := l.chain.Unsigned(); lines > 0 && lines%checkpointLines == 0 {
			l.checkpoint(chain.Interval)
		}
		return
	}
	l.lost.Add(1)
	if !l.failing.Swap(true) {
		l.reportError(err)
	}
}

func (l *Log) reportError(err error) {
	if l.onError != nil {
		l.onError(err)
	}
}

func (e *Event) record() slog.Record {
	line := make(attrs, 0, maxAttrs)
	line.text("request_id", e.RequestID)
	line.text("outcome", e.Outcome)
	line.text("code", e.Code)
	line.text("cause", e.Cause)
	line.text("user", e.User)
	line.text("authority", e.Authority)
	line.text("identity_id", e.IdentityID)
	line.text("rule", e.Rule)
	line.text("profile", e.Profile)
	line.text("method", e.Method)
	line.text("verifier", e.Verifier)
	line.text("key_id", e.KeyID)
	line.text("account", e.Account)
	if !e.Expires.IsZero() {
		line = append(line, slog.Time("expires", e.Expires))
	}
	line.text("client_host", e.ClientHost)
	if e.ClientID != 0 {
		line = append(line, slog.Uint64("client_id", e.ClientID))
	}
	line.text("client_kind", e.ClientKind)
	line.text("client_type", e.ClientType)
	line.text("client_name", e.ClientName)
	line.text("mqtt_client_id", e.MQTTClientID)
	line.text("server_id", e.ServerID)
	line.text("server_name", e.ServerName)
	line.text("issuer", e.Issuer)
	if e.DirectoryRevision != 0 {
		line = append(line, slog.Uint64("directory_revision", e.DirectoryRevision))
	}
	line = append(line, durations(micros("queue", e.Queue), micros("open", e.Open),
		micros("verify", e.Verify), micros("derive", e.Derive), micros("issue", e.Issue), micros("total", e.Total)))
	r := slog.NewRecord(e.Time, slog.LevelInfo, "decision", 0)
	r.AddAttrs(line...)
	return r
}

// maxAttrs is the number of attributes of the longest line.
const maxAttrs = 25

// attrs are the attributes of one line.
type attrs []slog.Attr

// text adds a text that is not empty.
func (a *attrs) text(key, value string) {
	if value != "" {
		*a = append(*a, slog.String(key, secret.RedactDetected(value)))
	}
}

func durations(each ...slog.Attr) slog.Attr {
	return slog.Attr{Key: "duration_us", Value: slog.GroupValue(each...)}
}

func micros(key string, d time.Duration) slog.Attr { return slog.Int64(key, d.Microseconds()) }

func noLevel(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}
