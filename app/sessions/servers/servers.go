package servers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/callout/session"
	"usher/issuer/operator"
)

// Servers is the connection to the system account. It is safe for concurrent use.
type Servers struct {
	cfg      Config
	registry *sessions.Registry
	nc       *nats.Conn
	messages chan *nats.Msg // of all subscriptions, in the order in which they arrive
	woken    chan struct{}
	inbox    string // answers to STATZ and to KICK
	stop     context.CancelFunc
	running  sync.WaitGroup
	private  map[string]bool

	mu        sync.Mutex
	servers   map[string]*known
	accounts  accounts
	late      []session.ID      // added after they had ended
	parked    map[string]parked // by server
	batches   map[uint64]*batch // of KickAll
	nextBatch uint64
	recheck   time.Time // when to compare again, because something differed; zero: at the usual time
	asked     time.Time // when the numbers were last asked for
	connected time.Time // since when; zero: not connected
	heard     time.Time // when a server last answered
	denied    error     // a permission that the user lacks

	counters counters
}

type counters struct {
	connects, disconnects, refusals   atomic.Uint64
	differences, gaps                 atomic.Uint64
	scans, scansFailed                atomic.Uint64
	adopted, missing, gone, lateEnded atomic.Uint64
	kicks, kicksFailed                atomic.Uint64
}

// queue is how many events may wait. A reconnect of 30,000 clients makes two of each.
const queue = 1 << 17

// New returns Servers that are not connected.
func New(cfg Config) *Servers {
	cfg.defaults()
	s := &Servers{
		cfg: cfg, messages: make(chan *nats.Msg, queueOf(&cfg)), woken: make(chan struct{}, 1), private: map[string]bool{},
		servers: map[string]*known{}, accounts: accounts{index: map[string]uint32{}},
		parked: map[string]parked{}, batches: map[uint64]*batch{},
	}
	for _, name := range cfg.Private {
		s.private[name] = true
	}
	return s
}

func queueOf(cfg *Config) int {
	if cfg.URLs == "" {
		return 0
	}
	return queue
}

// Configured reports whether there is a user of the system account.
func (s *Servers) Configured() bool { return s.cfg.URLs != "" }

// Start connects, and keeps the registry as the servers say. The registry tells the Observer.
// Without a connection it tries for ever; an error is about the configuration. Without a user
// of the system account Start does nothing.
func (s *Servers) Start(registry *sessions.Registry) error {
	s.registry = registry
	if !s.Configured() {
		return nil
	}
	options := append([]nats.Option{
		nats.Name("usher-sessions"), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectBufSize(-1),
		nats.ConnectHandler(func(*nats.Conn) { s.reconnected() }), nats.ReconnectHandler(func(*nats.Conn) { s.reconnected() }),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { s.disconnected() }), nats.ErrorHandler(s.failed),
	}, s.cfg.Options...)
	nc, err := nats.Connect(s.cfg.URLs, options...)
	if err != nil {
		return fmt.Errorf("connect to the system account: %w", err)
	}
	s.nc, s.inbox = nc, nc.NewInbox()
	_, subscribe := operator.SessionSubjects()
	for _, subject := range append(subscribe[1:], s.inbox+".check") {
		if _, err := nc.ChanSubscribe(subject, s.messages); err != nil {
			nc.Close()
			return fmt.Errorf("subscribe to %s: %w", subject, err)
		}
	}
	if _, err := nc.Subscribe(s.inbox+".kick.*.*", s.kickAnswered); err != nil {
		nc.Close()
		return fmt.Errorf("subscribe to answers: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.running.Go(func() { s.receive(ctx) })
	s.running.Go(func() { s.compare(ctx) })
	s.running.Go(func() { s.scans(ctx) })
	if nc.IsConnected() {
		s.reconnected()
	}
	return nil
}

// Stop disconnects.
func (s *Servers) Stop() {
	if s.nc == nil {
		return
	}
	s.stop()
	s.nc.Close()
	s.running.Wait()
}

// reconnected notes that events may have been missed.
func (s *Servers) reconnected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connected, s.denied = s.cfg.Now(), nil
	s.allDiffer()
}

func (s *Servers) disconnected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connected, s.heard = time.Time{}, time.Time{}
}

// allDiffer makes a scan of every server due. s.mu is held.
func (s *Servers) allDiffer() {
	now := s.cfg.Now()
	for _, k := range s.servers {
		k.scan.due(s.soon(now))
		k.answered = now
	}
	s.recheck = now
	s.wake()
}

// failed is told by nats.go of what happens outside of a call.
func (s *Servers) failed(_ *nats.Conn, sub *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		s.mu.Lock()
		s.denied = fmt.Errorf("%w: %w", ErrNotPermitted, err)
		s.mu.Unlock()
		s.cfg.Log.LogAttrs(context.Background(), slog.LevelError, "the user of the system account for sessions lacks a permission",
			slog.String("error", err.Error()), slog.String("hint", "usher init shows the permissions that it needs; see docs/explanation/sessions.md"))
	case errors.Is(err, nats.ErrSlowConsumer) && sub != nil:
		s.counters.gaps.Add(1)
		s.mu.Lock()
		s.allDiffer()
		s.mu.Unlock()
	}
}

func (s *Servers) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}
