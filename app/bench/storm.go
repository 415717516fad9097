package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// wait is how long an attempt may take: nats.go's default.
const wait = nats.DefaultTimeout

// StormConfig describes a Storm.
type StormConfig struct {
	Target   Target
	Clients  int           // 1 or more
	Duration time.Duration // after which it ends, whoever is in; above 0
	Spread   time.Duration // clients begin evenly over this, which Duration covers; default: all at once
	Now      func() time.Time
}

// Storm is many clients that connect at once. Each goes on until it is in, or
// until nats.go gives up: its defaults, with RetryOnFailedConnect.
type Storm struct {
	cfg      StormConfig
	clients  []client
	failures tally
	lag      peak
	settled  atomic.Int64
	progress struct{ connected, closed atomic.Int64 }
	done     chan struct{} // closed when every client is connected or closed for good
}

// client is one of a Storm.
type client struct {
	storm   *Storm
	dialer  dialer
	settled atomic.Bool
	at      atomic.Int64 // when it was connected, since the start; 0: it was not
	nc      atomic.Pointer[nats.Conn]
}

// StormResult is what a Storm measured.
type StormResult struct {
	Kind           Kind
	Servers        []string // URLs, complete and without credentials
	Clients        int
	Connected      int
	ClosedForGood  int // nats.go gave up: as a rule, two refusals by the same server
	Elapsed        time.Duration
	Interrupted    bool
	FailedAttempts int64
	Failures       map[Cause]int64
	Silent         int64            // of the timeouts: not a byte came from the server
	Errors         map[Cause]string // one of each cause where it is known, without tokens
	BeginLag       time.Duration    // how late the latest client began: if it is long, this machine was the bottleneck
	ConnectedAt    Samples          // of all clients, from the start
	ClientTook     Samples          // of those connected, each from its own begin
}

// NewStorm checks the configuration.
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

// Run is called once. It ends when every client is connected or closed for good,
// after the configured duration, or with ctx; then it closes all.
func (s *Storm) Run(ctx context.Context) StormResult {
	// Not a context with a deadline: a dial would time out at it, and be counted.
	measure, end := context.WithCancel(ctx)
	defer end()
	defer time.AfterFunc(s.cfg.Duration, end).Stop()
	start := s.cfg.Now()
	since := func() time.Duration { return s.cfg.Now().Sub(start) }
	course := newCourse(measure, s.cfg.Target, s.cfg.Now)
	options := s.cfg.Target.options()
	options.RetryOnFailedConnect = true
	var begun sync.WaitGroup
	pace(measure, since, len(s.clients), s.due, func(i int) {
		begun.Go(func() {
			s.lag.show(since() - s.due(i))
			s.clients[i].begin(s, course, options, start, i)
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
	for i := range s.clients {
		c := &s.clients[i]
		c.dialer.end(c.nc.Load())
	}
	return r
}

// due is when client i begins.
func (s *Storm) due(i int) time.Duration {
	return time.Duration(float64(s.cfg.Spread) * float64(i) / float64(len(s.clients)))
}

// Progress returns how many clients are connected and closed for good, and how
// many attempts failed so far.
func (s *Storm) Progress() (connected, closed, failed int64) {
	return s.progress.connected.Load(), s.progress.closed.Load(), s.failures.sum()
}

// begin connects; it returns after the first attempt.
func (c *client) begin(s *Storm, course *course, options nats.Options, start time.Time, i int) {
	c.storm = s
	token := course.target.token(i)
	c.dialer.course, c.dialer.token = course, token
	c.dialer.failed = func(f failure) { s.failures.add(f, token) }
	options.CustomDialer = &c.dialer
	c.dialer.present(&options)
	options.ConnectedCB = func(*nats.Conn) {
		c.dialer.in.Store(true)
		c.at.Store(max(int64(c.dialer.last.Load().ended.Sub(start)), 1))
		c.settle(&s.progress.connected)
	}
	options.ClosedCB = func(nc *nats.Conn) {
		if a := c.dialer.last.Load(); a != nil {
			a.fail(over, failureOf(nc.LastError()))
		}
		c.settle(&s.progress.closed)
	}
	nc, err := options.Connect()
	if err != nil { // nats.go could not even begin
		c.dialer.fail(failureOf(err))
		c.settle(&s.progress.closed)
		return
	}
	c.nc.Store(nc)
}

// settle counts the client as one that is done.
func (c *client) settle(as *atomic.Int64) {
	if !c.settled.CompareAndSwap(false, true) {
		return
	}
	as.Add(1)
	if c.storm.settled.Add(1) == int64(len(c.storm.clients)) {
		close(c.storm.done)
	}
}

// result is called when the run is over, and nothing is counted any more.
func (s *Storm) result(elapsed time.Duration) StormResult {
	r := StormResult{
		Kind: s.cfg.Target.Kind, Servers: s.cfg.Target.names(), Clients: len(s.clients), ClosedForGood: int(s.progress.closed.Load()),
		Elapsed: elapsed, Failures: s.failures.failures(), Silent: s.failures.silent.Load(), BeginLag: time.Duration(s.lag.Load()),
	}
	var at, took []time.Duration
	for i := range s.clients {
		c := &s.clients[i]
		if when, ok := c.connected(); ok {
			at, took = append(at, when), append(took, when-s.due(i))
		} else if cause, ok := c.unsaid(); ok {
			r.Failures[cause]++
		}
		c.explain()
	}
	r.Errors = s.failures.errorTexts()
	for _, n := range r.Failures {
		r.FailedAttempts += n
	}
	r.Connected = len(at)
	r.ConnectedAt, r.ClientTook = newSamples(at, len(s.clients)), newSamples(took, len(took))
	return r
}

// connected returns when the client was connected, since the start.
func (c *client) connected() (time.Duration, bool) {
	at := time.Duration(c.at.Load())
	return at, at > 0
}

// explain keeps what nats.go says of the last attempt if that is an error of
// TLS, which cannot be seen on the wire.
func (c *client) explain() {
	if nc := c.nc.Load(); nc != nil && !nc.IsConnected() {
		if f := failureOf(nc.LastError()); f.cause == TLS {
			c.storm.failures.sample(f, c.dialer.token)
		}
	}
}

// unsaid returns why the last attempt failed, if it has ended and nobody saw
// that it failed.
func (c *client) unsaid() (Cause, bool) {
	a, nc := c.dialer.last.Load(), c.nc.Load()
	if a == nil || nc == nil || a.state.Load() != over || nc.IsConnected() {
		return 0, false
	}
	return a.unseen(), true
}
