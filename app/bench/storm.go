package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// attemptTimeout is the maximum duration of an attempt, as by default in nats.go.
const attemptTimeout = nats.DefaultTimeout

// StormConfig configures a Storm.
type StormConfig struct {
	Target   Target
	Clients  int           // 1 or more
	Duration time.Duration // maximum duration, above 0
	Spread   time.Duration // clients start evenly over this duration, at most Duration; default: all at once
	Now      func() time.Time
}

// Storm is many clients that connect at once. Each retries until it is connected or until
// nats.go gives up. The clients use the defaults of nats.go and RetryOnFailedConnect.
// They stay connected until Close.
type Storm struct {
	cfg      StormConfig
	clients  []client
	failures tally
	lag      peak
	settled  atomic.Int64
	progress struct{ connected, closed atomic.Int64 }
	done     chan struct{} // closed when every client is connected or closed for good
}

// client is one client of a Storm.
type client struct {
	storm       *Storm
	dialer      dialer
	settled     atomic.Bool
	connectedAt atomic.Int64 // when it connected, in nanoseconds since the start; 0: not connected
	nc          atomic.Pointer[nats.Conn]
}

// StormResult is what a Storm measured.
type StormResult struct {
	Kind           Kind
	Servers        []string // complete URLs without credentials
	Clients        int
	Connected      int
	ClosedForGood  int // nats.go gave up, usually after two refusals by the same server
	Elapsed        time.Duration
	Interrupted    bool
	FailedAttempts int64
	Failures       map[Cause]int64
	Silent         int64            // timeouts during which the server sent nothing
	Errors         map[Cause]string // an example error of each cause, without tokens
	BeginLag       time.Duration    // longest delay of a client's start; if it is large, this machine was the bottleneck
	ConnectedAt    Samples          // of all clients, since the start
	ClientTook     Samples          // of connected clients, each since its own start
}

// NewStorm returns a Storm, or ErrConfig or an error of the target.
func NewStorm(ctx context.Context, cfg StormConfig) (*Storm, error) {
	if cfg.Clients < 1 || cfg.Duration <= 0 || cfg.Spread < 0 || cfg.Spread > cfg.Duration || cfg.Now == nil {
		return nil, ErrConfig
	}
	var err error
	if cfg.Target, err = cfg.Target.valid(ctx); err != nil {
		return nil, err
	}
	return &Storm{cfg: cfg, clients: make([]client, cfg.Clients), done: make(chan struct{})}, nil
}

// Run runs the storm. Call it once. It ends when every client is connected or closed for
// good, after the configured duration, or when ctx ends.
func (s *Storm) Run(ctx context.Context) StormResult {
	// Not a context with a deadline: a dial would time out at the deadline and be counted.
	measure, end := context.WithCancel(ctx)
	defer end()
	defer time.AfterFunc(s.cfg.Duration, end).Stop()
	start := s.cfg.Now()
	since := func() time.Duration { return s.cfg.Now().Sub(start) }
	run := newRun(measure, s.cfg.Target, s.cfg.Now)
	options := s.cfg.Target.options()
	options.RetryOnFailedConnect = true
	var begun sync.WaitGroup
	pace(measure, since, len(s.clients), s.due, func(i int) {
		begun.Go(func() {
			s.lag.observe(since() - s.due(i))
			s.clients[i].begin(s, run, options, start, i)
		})
	})
	select {
	case <-s.done:
	case <-measure.Done():
	}
	elapsed := since()
	interrupted := ctx.Err() != nil
	end()
	begun.Wait()
	r := s.result(elapsed)
	r.Interrupted = interrupted
	return r
}

// Close closes all clients, after Run.
func (s *Storm) Close() {
	for i := range s.clients {
		c := &s.clients[i]
		c.dialer.close(c.nc.Load())
	}
}

// due returns when client i starts, relative to the start of the run.
func (s *Storm) due(i int) time.Duration {
	return time.Duration(float64(s.cfg.Spread) * float64(i) / float64(len(s.clients)))
}

// Progress returns how many clients are connected or closed for good, and how many
// attempts have failed so far.
func (s *Storm) Progress() (connected, closed, failed int64) {
	return s.progress.connected.Load(), s.progress.closed.Load(), s.failures.sum()
}

// begin connects the client. It returns after the first attempt.
func (c *client) begin(s *Storm, run *run, options nats.Options, start time.Time, i int) {
	c.storm = s
	token := run.target.token(i)
	c.dialer.run, c.dialer.token = run, token
	c.dialer.onFailure = func(f failure) { s.failures.add(f, token) }
	options.CustomDialer = &c.dialer
	c.dialer.setCredentials(&options)
	options.ConnectedCB = func(*nats.Conn) {
		c.dialer.connected.Store(true)
		a := c.dialer.last.Load()
		a.resetOnClose()
		c.connectedAt.Store(max(int64(a.finished.Sub(start)), 1))
		c.finish(&s.progress.connected)
	}
	options.ClosedCB = func(nc *nats.Conn) {
		if a := c.dialer.last.Load(); a != nil {
			a.fail(stateDone, failureOf(nc.LastError()))
		}
		c.finish(&s.progress.closed)
	}
	nc, err := options.Connect()
	if err != nil { // the options are invalid
		c.dialer.fail(failureOf(err))
		c.finish(&s.progress.closed)
		return
	}
	c.nc.Store(nc)
}

// finish counts the client as connected or closed for good, once.
func (c *client) finish(counter *atomic.Int64) {
	if !c.settled.CompareAndSwap(false, true) {
		return
	}
	counter.Add(1)
	if c.storm.settled.Add(1) == int64(len(c.storm.clients)) {
		close(c.storm.done)
	}
}

// result returns the result. Call it after the run, when nothing is counted any more.
func (s *Storm) result(elapsed time.Duration) StormResult {
	r := StormResult{
		Kind: s.cfg.Target.Kind, Servers: s.cfg.Target.displayURLs(), Clients: len(s.clients), ClosedForGood: int(s.progress.closed.Load()),
		Elapsed: elapsed, Failures: s.failures.failures(), Silent: s.failures.silent.Load(), BeginLag: time.Duration(s.lag.Load()),
	}
	var at, took []time.Duration
	for i := range s.clients {
		c := &s.clients[i]
		if when, ok := c.connected(); ok {
			at, took = append(at, when), append(took, when-s.due(i))
		} else if cause, ok := c.unreportedFailure(); ok {
			r.Failures[cause]++
		}
		c.sampleTLSError()
	}
	r.Errors = s.failures.errorTexts()
	for _, n := range r.Failures {
		r.FailedAttempts += n
	}
	r.Connected = len(at)
	r.ConnectedAt, r.ClientTook = newSamples(at, len(s.clients)), newSamples(took, len(took))
	return r
}

// connected returns when the client connected, relative to the start.
func (c *client) connected() (time.Duration, bool) {
	at := time.Duration(c.connectedAt.Load())
	return at, at > 0
}

// sampleTLSError keeps the error of the last attempt if it is a TLS error, which the
// dialer cannot observe.
func (c *client) sampleTLSError() {
	if nc := c.nc.Load(); nc != nil && !nc.IsConnected() {
		if f := failureOf(nc.LastError()); f.cause == TLS {
			c.storm.failures.sample(f, c.dialer.token)
		}
	}
}

// unreportedFailure returns the cause of the last attempt's failure, if it failed without
// being observed.
func (c *client) unreportedFailure() (Cause, bool) {
	a, nc := c.dialer.last.Load(), c.nc.Load()
	if a == nil || nc == nil || a.state.Load() != stateDone || nc.IsConnected() {
		return 0, false
	}
	return a.inferCause(), true
}
