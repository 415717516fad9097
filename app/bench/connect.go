package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// ConnectConfig configures a Connect.
type ConnectConfig struct {
	Target      Target
	Rate        float64       // connects per second, above 0
	Connects    int           // total number, 1 or more
	Hold        time.Duration // how long each connection stays open
	MaxInFlight int           // connections that are being established or held, 1 or more; a connect above the limit fails without an attempt
	Now         func() time.Time
}

// Connect is single connects at a steady rate. Each connect lasts from the dial to the
// PONG, with one attempt at each server.
//
// Each connect starts when it is due, even if earlier ones are not finished, and its
// latency counts from that time. So every connect that is due during a stall measures it
// (no coordinated omission).
type Connect struct {
	cfg           ConnectConfig
	failures      tally
	begun         atomic.Int64
	connected     atomic.Int64
	inFlight      atomic.Int64
	lag           peak
	lastDecided   peak // when the last connect succeeded or failed
	lastConnected peak // when the last connect succeeded
}

// ConnectResult is what a Connect measured.
type ConnectResult struct {
	Kind         Kind
	Servers      []string // complete URLs without credentials
	Rate         float64  // the configured rate
	AchievedRate float64  // successful connects per second
	Attempts     int64    // connected or failed
	Connected    int64
	Failures     map[Cause]int64
	Silent       int64            // timeouts during which the server sent nothing
	Errors       map[Cause]string // an example error of each cause, without tokens
	Elapsed      time.Duration    // until the last connect succeeded or failed
	Interrupted  bool
	BeginLag     time.Duration // longest delay of a start; if it is large, this machine was the bottleneck
	Took         Samples       // latencies of the successful connects
}

// NewConnect returns a Connect, or ErrConfig or an error of the target.
func NewConnect(ctx context.Context, cfg ConnectConfig) (*Connect, error) {
	if !(cfg.Rate > 0) || cfg.Connects < 1 || cfg.Hold < 0 || cfg.MaxInFlight < 1 || cfg.Now == nil { // the rate may be NaN
		return nil, ErrConfig
	}
	var err error
	if cfg.Target, err = cfg.Target.valid(ctx); err != nil {
		return nil, err
	}
	return &Connect{cfg: cfg}, nil
}

// Run runs the connects. Call it once. It returns when every connect has succeeded or
// failed and all connections are closed, or when ctx ends.
func (c *Connect) Run(ctx context.Context) ConnectResult {
	start := c.cfg.Now()
	since := func() time.Duration { return c.cfg.Now().Sub(start) }
	run := newRun(ctx, c.cfg.Target, c.cfg.Now)
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
			c.lag.observe(since() - c.due(i))
			d := dialer{run: run, token: c.cfg.Target.token(i)}
			nc := c.connect(&d, options)
			defer d.close(nc)
			c.lastDecided.observe(since())
			if nc == nil {
				return
			}
			at := d.last.Load().finished.Sub(start)
			took[i] = max(at-c.due(i), 1)
			c.lastConnected.observe(at)
			c.hold(ctx)
		})
	})
	all.Wait()
	return c.result(took, ctx.Err() != nil)
}

// due returns when connect i starts, relative to the start of the run.
func (c *Connect) due(i int) time.Duration {
	return time.Duration(float64(i) / c.cfg.Rate * float64(time.Second))
}

// connect connects once and counts the result.
func (c *Connect) connect(d *dialer, options nats.Options) *nats.Conn {
	options.CustomDialer = d
	d.setCredentials(&options)
	nc, err := options.Connect()
	switch {
	case err == nil:
		c.connected.Add(1)
	case !d.run.ended():
		c.failures.add(d.lastFailure(err), d.token)
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

// Progress returns how many connects have started, succeeded and failed, and how many
// connections are being established or held.
func (c *Connect) Progress() (begun, connected, failed, inFlight int64) {
	return c.begun.Load(), c.connected.Load(), c.failures.sum(), c.inFlight.Load()
}

func (c *Connect) result(took []time.Duration, interrupted bool) ConnectResult {
	r := ConnectResult{
		Kind: c.cfg.Target.Kind, Servers: c.cfg.Target.displayURLs(), Rate: c.cfg.Rate, Connected: c.connected.Load(),
		Failures: c.failures.failures(), Silent: c.failures.silent.Load(), Errors: c.failures.errorTexts(),
		Attempts: c.connected.Load() + c.failures.sum(),
		Elapsed:  time.Duration(c.lastDecided.Load()), BeginLag: time.Duration(c.lag.Load()), Interrupted: interrupted,
	}
	// The achieved rate cannot exceed the rate at which connects start.
	span := max(float64(r.Attempts)/r.Rate, time.Duration(c.lastConnected.Load()).Seconds())
	if span > 0 {
		r.AchievedRate = float64(r.Connected) / span
	}
	succeeded := took[:0]
	for _, d := range took {
		if d > 0 {
			succeeded = append(succeeded, d)
		}
	}
	r.Took = newSamples(succeeded, len(succeeded))
	return r
}
