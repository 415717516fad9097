package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// ConnectConfig describes a Connect.
type ConnectConfig struct {
	Target      Target
	Rate        float64       // connects a second, above 0
	Connects    int           // in all, 1 or more
	Hold        time.Duration // how long each connection stays open
	MaxInFlight int           // connections that are being made or held, 1 or more; a connect above it is not begun, and failed
	Now         func() time.Time
}

// Connect is single connects at a steady rate, each from the dial to the PONG,
// with one try at each server.
//
// Each begins when its time has come, whether or not those before it are done,
// and its latency counts from that time: a stall is seen by all that fall into
// it, not by one.
type Connect struct {
	cfg       ConnectConfig
	failures  tally
	begun     atomic.Int64
	connected atomic.Int64
	inFlight  atomic.Int64
	lag       peak
	decided   peak // the last connect was decided then
	in        peak // the last that succeeded
}

// ConnectResult is what a Connect measured.
type ConnectResult struct {
	Kind         Kind
	Servers      []string // URLs, complete and without credentials
	Rate         float64  // that was asked for
	AchievedRate float64  // successful connects a second
	Attempts     int64    // connected, or failed
	Connected    int64
	Failures     map[Cause]int64
	Silent       int64            // of the timeouts: not a byte came from the server
	Errors       map[Cause]string // one of each cause where it is known, without tokens
	Elapsed      time.Duration    // until the last was decided
	Interrupted  bool
	BeginLag     time.Duration // how late the latest began: if it is long, this machine was the bottleneck
	Took         Samples       // of those connected
}

// NewConnect checks the configuration.
func NewConnect(ctx context.Context, cfg ConnectConfig) (*Connect, error) {
	if !(cfg.Rate > 0) || cfg.Connects < 1 || cfg.Hold < 0 || cfg.MaxInFlight < 1 || cfg.Now == nil { // a rate may be NaN
		return nil, ErrConfig
	}
	var err error
	if cfg.Target, err = cfg.Target.valid(ctx); err != nil {
		return nil, err
	}
	return &Connect{cfg: cfg}, nil
}

// Run is called once. It ends when every connect is decided and what was held is
// closed, or with ctx.
func (c *Connect) Run(ctx context.Context) ConnectResult {
	start := c.cfg.Now()
	since := func() time.Duration { return c.cfg.Now().Sub(start) }
	course := newCourse(ctx, c.cfg.Target, c.cfg.Now)
	options := c.cfg.Target.options()
	options.AllowReconnect = false
	took := make([]time.Duration, c.cfg.Connects)
	var all sync.WaitGroup
	pace(ctx, since, c.cfg.Connects, c.due, func(i int) {
		c.begun.Add(1)
		if c.inFlight.Load() >= int64(c.cfg.MaxInFlight) {
			c.failures.add(failure{cause: MaxInFlight}, "")
			return
		}
		c.inFlight.Add(1)
		all.Go(func() {
			defer c.inFlight.Add(-1)
			c.lag.show(since() - c.due(i))
			d := dialer{course: course, token: c.cfg.Target.token(i)}
			nc := c.connect(&d, options)
			defer d.end(nc)
			c.decided.show(since())
			if nc == nil {
				return
			}
			at := d.last.Load().ended.Sub(start)
			took[i] = max(at-c.due(i), 1)
			c.in.show(at)
			c.hold(ctx)
		})
	})
	all.Wait()
	return c.result(took, ctx.Err() != nil)
}

// due is when connect i begins.
func (c *Connect) due(i int) time.Duration {
	return time.Duration(float64(i) / c.cfg.Rate * float64(time.Second))
}

// connect connects once, and counts it.
func (c *Connect) connect(d *dialer, options nats.Options) *nats.Conn {
	options.CustomDialer = d
	d.present(&options)
	nc, err := options.Connect()
	switch {
	case err == nil:
		c.connected.Add(1)
	case !d.course.over():
		c.failures.add(d.why(err), d.token)
	}
	return nc
}

func (c *Connect) hold(ctx context.Context) {
	if c.cfg.Hold <= 0 {
		return
	}
	timer := time.NewTimer(c.cfg.Hold)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Progress returns how many connects have begun, came in, failed, and how many
// connections are being made or held.
func (c *Connect) Progress() (begun, connected, failed, inFlight int64) {
	return c.begun.Load(), c.connected.Load(), c.failures.sum(), c.inFlight.Load()
}

func (c *Connect) result(took []time.Duration, interrupted bool) ConnectResult {
	r := ConnectResult{
		Kind: c.cfg.Target.Kind, Servers: c.cfg.Target.names(), Rate: c.cfg.Rate, Connected: c.connected.Load(),
		Failures: c.failures.failures(), Silent: c.failures.silent.Load(), Errors: c.failures.errorTexts(),
		Attempts: c.connected.Load() + c.failures.sum(),
		Elapsed:  time.Duration(c.decided.Load()), BeginLag: time.Duration(c.lag.Load()), Interrupted: interrupted,
	}
	// Fast connects come no faster than they begin.
	span := max(float64(r.Attempts)/r.Rate, time.Duration(c.in.Load()).Seconds())
	if span > 0 {
		r.AchievedRate = float64(r.Connected) / span
	}
	in := took[:0]
	for _, d := range took {
		if d > 0 {
			in = append(in, d)
		}
	}
	r.Took = newSamples(in, len(in))
	return r
}
