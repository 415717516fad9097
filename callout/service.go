package callout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"usher/callout/admission"
	"usher/callout/keyusage"
)

// Service answers authorization requests until it is drained.
type Service struct {
	cfg      Config
	log      *decisionLog
	shedding *shedding
	failures *admission.Failures
	ages     *admission.ConnectTimes
	usage    *keyusage.Counter
	instance string // of this process, random
	started  time.Time
	places   map[string]chan struct{} // for requests that wait, by slow verifier
	stop     chan struct{}
	conns    []*conn

	ctx     context.Context //nolint:containedctx // the life of the service, parent of every request
	cancel  context.CancelFunc
	pending atomic.Int64 // requests that were taken and are not finished
	workers sync.WaitGroup
	waiters sync.WaitGroup // requests that wait for slow verifiers
	moving  sync.Mutex     // held by the one connection that moves to another server

	draining atomic.Bool
}

// New returns a Service that is not connected yet.
func New(cfg Config) (*Service, error) {
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg:      cfg,
		log:      newDecisionLog(cfg.Log),
		shedding: newShedding(cfg.Log, cfg.Now),
		failures: admission.NewFailures(cfg.Failures),
		ages:     admission.NewConnectTimes(),
		usage:    keyusage.NewCounter(),
		instance: cfg.NewID(),
		started:  cfg.Now().UTC(),
		places:   map[string]chan struct{}{},
		stop:     make(chan struct{}),
	}
	for _, v := range cfg.Decider.Chain {
		s.places[v.Name()] = make(chan struct{}, cfg.Waiters)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Start connects and subscribes. A server that cannot be reached is no error:
// the connections go on trying for ever, and Ready says when they are there.
func (s *Service) Start() error {
	for i := range s.cfg.Connections {
		c, err := s.connect(i)
		if err != nil {
			return errors.Join(err, s.abandon())
		}
		s.conns = append(s.conns, c)
	}
	s.workers.Go(s.tend)
	return nil
}

// Connected returns how many service connections are connected, of how many.
func (s *Service) Connected() (connected, of int) {
	for _, c := range s.conns {
		if c.nc.IsConnected() {
			connected++
		}
	}
	return connected, len(s.conns)
}

// Load is how busy the service is.
type Load struct {
	Waiting int           // requests that nobody works on yet
	Oldest  time.Duration // how long the oldest of them has waited
	Window  int           // answers that may be on their way to servers at once
	Taken   int           // places of the window that are taken, by answers on their way and by requests that are worked on
	Delay   time.Duration // from an answer until the server was through with it, the longest of all connections
}

// Load returns how busy the service is now.
func (s *Service) Load() Load {
	var l Load
	for _, c := range s.conns {
		limit, taken := c.window.Size()
		l.Waiting += c.queue.Len()
		l.Oldest = max(l.Oldest, c.queue.Oldest())
		l.Window += limit
		l.Taken += taken - int(c.idle.Load())
		l.Delay = max(l.Delay, c.window.Delay())
	}
	return l
}

// Ready returns nil if requests can reach the service, or why they cannot:
// some connection is connected, its subscription stands, and the service is
// not draining.
func (s *Service) Ready() error {
	if s.draining.Load() {
		return errors.New("draining")
	}
	var errs []error
	for _, c := range s.conns {
		err := c.ready()
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return errors.New("not started")
	}
	return errs[0]
}

// Drain leaves the queue group, finishes what was taken, and closes. If ctx ends
// first, what is left is abandoned unanswered, which clients take as a reason
// to try again, and the error says so. Draining again does nothing.
func (s *Service) Drain(ctx context.Context) error {
	if s.draining.Swap(true) {
		return nil
	}
	for _, c := range s.conns {
		c.leave()
	}
	var errs []error
	for _, c := range s.conns {
		if err := c.left(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	if err := still(ctx, &s.pending); err != nil {
		errs = append(errs, err)
	}
	flushing, cancel := context.WithTimeout(ctx, confirmTimeout) // nats.go demands a deadline
	defer cancel()
	for _, c := range s.conns {
		if !c.nc.IsConnected() {
			continue // a flush would wait for the server to come back
		}
		if err := c.nc.FlushWithContext(flushing); err != nil {
			errs = append(errs, fmt.Errorf("flush: %w", err))
		}
	}
	errs = append(errs, s.abandon())
	return errors.Join(errs...)
}

// quiet is how long nothing may be pending before the service counts as idle.
// A drained subscription can still be handing over its last message, for
// microseconds; nats.go gives no sign of when it has.
const quiet = 50 * time.Millisecond

// still waits until nothing of what is counted has been pending for quiet.
func still(ctx context.Context, pending *atomic.Int64) error {
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for idle := time.Duration(0); idle < quiet; idle += drainPoll {
		if pending.Load() > 0 {
			idle = 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d requests were left unanswered: %w", pending.Load(), ctx.Err())
		}
	}
	return nil
}

// grace is how long workers may take to notice that the service has ended.
const grace = time.Second

// abandon closes the connections and stops the workers. One that does not
// notice, because a verifier of its does not, is left behind.
func (s *Service) abandon() error {
	s.cancel()
	for _, c := range s.conns {
		c.nc.Close()
	}
	close(s.stop)
	left := make([]int, len(s.conns)) // was never answered, and nobody works on it any more
	for i, c := range s.conns {
		left[i] = c.queue.Close()
		c.window.Close()
	}
	stopped := make(chan struct{})
	go func() {
		s.workers.Wait()
		s.waiters.Wait()
		close(stopped)
	}()
	var err error
	select {
	case <-stopped:
	case <-time.After(grace):
		err = errors.New("workers were left behind")
	}
	for i, n := range left {
		for range n {
			s.finished(s.conns[i])
		}
	}
	s.shedding.settle(true)
	s.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "service stopped")
	return err
}
