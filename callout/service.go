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
	"usher/callout/ratelimit"
	"usher/callout/requestlog"
	"usher/callout/waiting"
	"usher/tokens"
)

// Service answers authorization requests until it is drained.
type Service struct {
	cfg          Config
	log          *requestlog.Decisions
	shedding     *requestlog.Shedding
	failures     *ratelimit.Failures
	beside       *ratelimit.Last
	connectTimes *admission.ConnectTimes
	usage        *keyusage.Counter
	instance     string // random; differs for each process
	started      time.Time
	cpu          chan struct{}             // semaphore of the requests that compute (CPU slots)
	waiting      map[string]*waiting.Slots // of the requests that wait for each slow verifier
	stop         chan struct{}
	conns        []*conn

	ctx          context.Context //nolint:containedctx // ends with the service, parent of every request
	cancel       context.CancelFunc
	pending      atomic.Int64   // requests received and not finished
	pendingBytes atomic.Int64   // of the messages of those requests
	workers      sync.WaitGroup // goroutines of the service: work, flushAnswers, housekeeping
	moving       sync.Mutex     // held while a connection moves to another server

	draining atomic.Bool
}

// New returns a Service that is not connected yet.
func New(cfg Config) (*Service, error) {
	if err := cfg.valid(); err != nil {
		return nil, err
	}
	s := &Service{
		cfg:          cfg,
		log:          requestlog.NewDecisions(cfg.Log),
		shedding:     requestlog.NewShedding(cfg.Log, cfg.Now),
		failures:     ratelimit.New(cfg.Failures),
		beside:       ratelimit.NewLast(),
		connectTimes: admission.NewConnectTimes(),
		usage:        keyusage.NewCounter(),
		instance:     cfg.NewID(),
		started:      cfg.Now().UTC(),
		cpu:          make(chan struct{}, cfg.Workers),
		waiting:      map[string]*waiting.Slots{},
		stop:         make(chan struct{}),
	}
	var verifiers []string
	for _, v := range cfg.Decider.Chain {
		verifiers = append(verifiers, v.Name())
		if _, ok := v.(tokens.Slow); ok {
			s.waiting[v.Name()] = waiting.New(cfg.Waiters, cfg.Failures)
		}
	}
	cfg.Metrics.Verifiers(verifiers, []string{string(Granted), string(Denied), string(Unavailable), string(Shed)})
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Start connects and subscribes. An unreachable server is not an error: the
// connections keep retrying, and Ready reports when requests can arrive.
func (s *Service) Start() error {
	for i := range s.cfg.Connections {
		c, err := s.connect(i)
		if err != nil {
			return errors.Join(err, s.shutdown())
		}
		s.conns = append(s.conns, c)
	}
	s.workers.Go(s.housekeeping)
	return nil
}

// Connected returns how many service connections are connected, and how many
// there are.
func (s *Service) Connected() (connected, of int) {
	for _, c := range s.conns {
		if c.nc.IsConnected() {
			connected++
		}
	}
	return connected, len(s.conns)
}

// Load says how busy the service is.
type Load struct {
	Waiting int           // requests in the queue
	Oldest  time.Duration // how long the oldest of them has waited
	Window  int           // limit of the congestion windows of all connections
	InUse   int           // slots of the windows in use: by requests in progress, and by answers in flight
	Delay   time.Duration // from sending an answer until the server has processed it; the longest of all connections
}

// Load returns how busy the service is now.
func (s *Service) Load() Load {
	var l Load
	for _, c := range s.conns {
		limit, acquired := c.window.Size()
		l.Waiting += c.queue.Len()
		l.Oldest = max(l.Oldest, c.queue.Oldest())
		l.Window += limit
		l.InUse += acquired
		l.Delay = max(l.Delay, c.window.Delay())
	}
	return l
}

// Ready returns nil if requests can reach the service, or the reason why they
// cannot. They can if the service is not draining and one of its connections is
// connected and subscribed.
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

// Drain leaves the queue group, finishes the requests received, and closes the
// connections. If ctx ends first, it leaves the remaining requests unanswered,
// which makes their clients retry, and returns an error. A second Drain does
// nothing.
func (s *Service) Drain(ctx context.Context) error {
	if s.draining.Swap(true) {
		return nil
	}
	for _, c := range s.conns {
		c.leaveGroup()
	}
	var errs []error
	for _, c := range s.conns {
		if err := c.waitDrained(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	if err := waitIdle(ctx, &s.pending); err != nil {
		errs = append(errs, err)
	}
	flushing, cancel := context.WithTimeout(ctx, flushTimeout) // nats.go requires a deadline
	defer cancel()
	for _, c := range s.conns {
		if !c.nc.IsConnected() {
			continue // a flush would wait for the reconnect
		}
		if err := c.nc.FlushWithContext(flushing); err != nil {
			errs = append(errs, fmt.Errorf("flush: %w", err))
		}
	}
	errs = append(errs, s.shutdown())
	return errors.Join(errs...)
}

// idleTime is how long no request may be pending before the service counts as
// idle. A drained subscription can still deliver its last message, microseconds
// later; nats.go does not report when it has.
const idleTime = 50 * time.Millisecond

// waitIdle waits until the counter has been zero for idleTime.
func waitIdle(ctx context.Context, pending *atomic.Int64) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for idle := time.Duration(0); idle < idleTime; idle += pollInterval {
		if pending.Load() > 0 {
			idle = 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d requests were not answered: %w", pending.Load(), ctx.Err())
		}
	}
	return nil
}

// shutdownTimeout is how long the goroutines of the service may take to stop.
const shutdownTimeout = time.Second

// shutdown closes the connections and stops the goroutines. It does not wait longer
// than shutdownTimeout for a request whose verifier ignores its context.
func (s *Service) shutdown() error {
	s.cancel()
	for _, c := range s.conns {
		c.nc.Close()
	}
	close(s.stop)
	unanswered := make([]int, len(s.conns)) // still queued, by connection
	for i, c := range s.conns {
		unanswered[i] = c.queue.Close()
		c.window.Close()
	}
	stopped := make(chan struct{})
	go func() {
		s.workers.Wait()
		close(stopped)
	}()
	var err error
	select {
	case <-stopped:
	case <-time.After(shutdownTimeout):
		err = errors.New("timed out waiting for workers to stop")
	}
	for i, n := range unanswered {
		for range n {
			s.finished(&exchange{conn: s.conns[i]})
		}
	}
	s.shedding.End()
	s.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "service stopped")
	return err
}

const (
	housekeepingInterval = time.Second
	reconnectInterval    = 5 * time.Second  // of connections that cannot answer requests
	forgetInterval       = 10 * time.Minute // of the keys shared with servers, which xkeys cache
)

// housekeeping runs periodic work until the service stops.
func (s *Service) housekeeping() {
	tick := time.NewTicker(housekeepingInterval)
	defer tick.Stop()
	for n := time.Duration(1); ; n++ {
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
		s.shedding.EndIfQuiet()
		if n*housekeepingInterval%reconnectInterval == 0 {
			s.reconnectUnusable()
		}
		if n*housekeepingInterval%forgetInterval == 0 {
			for _, x := range s.cfg.Keyring().XKeys() {
				x.Forget()
			}
		}
	}
}
