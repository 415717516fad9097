package bench_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"usher/app/bench"
	"usher/callout/callouttest"
)

// connect runs connects that start almost at once by default.
func connect(ctx context.Context, t *testing.T, cfg bench.ConnectConfig) bench.ConnectResult {
	t.Helper()
	if cfg.Rate == 0 {
		cfg.Rate = 1000
	}
	if cfg.MaxInFlight == 0 {
		cfg.MaxInFlight = 100
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c, err := bench.NewConnect(ctx, cfg)
	callouttest.Must(t, err)
	r := c.Run(ctx)
	sum := r.Connected
	for _, n := range r.Failures {
		sum += n
	}
	if r.Attempts != sum {
		t.Errorf("%d attempts, %d counted: %+v", r.Attempts, sum, r)
	}
	return r
}

// TestConnect: over either kind, with the tokens in turn. A client that is refused before
// it has sent everything may see only a reset, and on a busy machine a connect may time
// out.
func TestConnect(t *testing.T) {
	t.Parallel()
	srv := startUsher(t, callouttest.ServerConfig{})
	for kind, url := range map[bench.Kind]string{bench.TCP: srv.URL(), bench.WebSocket: srv.WebSocketURL()} {
		target := bench.Target{Servers: []string{url}, Tokens: []string{"publisher-key", "nobody-key", "consumer-key"}}
		r := connect(t.Context(), t, bench.ConnectConfig{Target: target, Connects: 9, Rate: 100})
		refused := r.Failures[bench.Authorization] + r.Failures[bench.Reset]
		if r.Kind != kind || r.Attempts != 9 || r.Interrupted || r.Connected > 6 || refused > 3 || r.Connected+refused+r.Failures[bench.Timeout] != 9 {
			t.Errorf("%s: %+v", url, r)
		}
		if slowest, ok := r.Took.At(1); ok != (r.Connected > 0) || ok && (slowest <= 0 || slowest > r.Elapsed) {
			t.Errorf("%s: the slowest took %s of %s", url, slowest, r.Elapsed)
		}
		if (r.AchievedRate > 0) != (r.Connected > 0) || r.AchievedRate > r.Rate {
			t.Errorf("%s: %g connects per second", url, r.AchievedRate)
		}
	}
}

// TestConnectRefused: no server listens.
func TestConnectRefused(t *testing.T) {
	t.Parallel()
	r := connect(t.Context(), t, bench.ConnectConfig{Target: bench.Target{Servers: freeURLs(t, "nats", "nats")}, Connects: 5})
	if r.Attempts != 5 || r.Failures[bench.Refused] != 5 || r.AchievedRate != 0 {
		t.Errorf("%+v", r)
	}
}

// TestConnectConfig: an invalid configuration is refused.
func TestConnectConfig(t *testing.T) {
	t.Parallel()
	valid := bench.ConnectConfig{Target: bench.Target{Servers: []string{"127.0.0.1"}}, Rate: 1, Connects: 1, MaxInFlight: 1, Now: time.Now}
	for name, change := range map[string]func(*bench.ConnectConfig){
		"no rate":           func(c *bench.ConnectConfig) { c.Rate = 0 },
		"rate is NaN":       func(c *bench.ConnectConfig) { c.Rate = math.NaN() },
		"no connects":       func(c *bench.ConnectConfig) { c.Connects = 0 },
		"nothing in flight": func(c *bench.ConnectConfig) { c.MaxInFlight = 0 },
		"negative hold":     func(c *bench.ConnectConfig) { c.Hold = -1 },
		"no clock":          func(c *bench.ConnectConfig) { c.Now = nil },
	} {
		invalid := valid
		change(&invalid)
		if _, err := bench.NewConnect(t.Context(), invalid); !errors.Is(err, bench.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := bench.NewConnect(t.Context(), valid); err != nil {
		t.Error(err)
	}
}

// TestConnectLate: latency counts from when a connect was due, not from when it started.
func TestConnectLate(t *testing.T) {
	t.Parallel()
	srv := startUsher(t, callouttest.ServerConfig{})
	var clock callouttest.Clock
	first := true
	jump := func() time.Time { // the clock jumps by an hour after the start
		now := clock.Now()
		if first {
			first = false
			clock.Advance(time.Hour)
		}
		return now
	}
	var r bench.ConnectResult
	callouttest.Eventually(t, "a client is connected", func() bool { // on a busy machine all may time out
		first = true
		r = connect(t.Context(), t, bench.ConnectConfig{
			Target: bench.Target{Servers: []string{srv.URL()}, Tokens: []string{"publisher-key"}}, Connects: 3, Now: jump,
		})
		return r.Connected > 0
	})
	if fastest, ok := r.Took.At(0); !ok || fastest < time.Hour-time.Second || r.BeginLag < time.Hour-time.Second {
		t.Errorf("the fastest took %s: %+v", fastest, r)
	}
}

// TestConnectHold: connections stay open until an interruption ends the hold, and are
// closed then.
func TestConnectHold(t *testing.T) {
	t.Parallel()
	srv := startUsher(t, callouttest.ServerConfig{})
	before := srv.NATSServer().NumClients()
	held := func() (r bench.ConnectResult, inFlight int64) {
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		c, err := bench.NewConnect(ctx, bench.ConnectConfig{
			Target: bench.Target{Servers: []string{srv.URL()}, Tokens: []string{"publisher-key"}},
			Rate:   1000, Connects: 5, Hold: time.Hour, MaxInFlight: 5, Now: time.Now,
		})
		callouttest.Must(t, err)
		done := make(chan bench.ConnectResult)
		go func() { done <- c.Run(ctx) }()
		callouttest.Eventually(t, "every connect has succeeded or failed", func() bool {
			var connected, failed int64
			_, connected, failed, inFlight = c.Progress()
			return connected+failed == 5
		})
		interrupt()
		return <-done, inFlight
	}
	r, inFlight := held()
	for r.Failures[bench.Timeout] > 0 { // the machine was too busy
		r, inFlight = held()
	}
	if !r.Interrupted || r.Connected != 5 || r.Attempts != 5 || inFlight != 5 {
		t.Errorf("%d were held: %+v", inFlight, r)
	}
	callouttest.Eventually(t, "all are closed", func() bool { return srv.NATSServer().NumClients() == before })
}

// TestConnectInterrupted: an interrupted connect counts neither as connected nor as failed.
func TestConnectInterrupted(t *testing.T) {
	t.Parallel()
	url, accepted := silentServer(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	c, err := bench.NewConnect(ctx, bench.ConnectConfig{
		Target: bench.Target{Servers: []string{url}}, Rate: 1000, Connects: 5, MaxInFlight: 5, Now: time.Now,
	})
	callouttest.Must(t, err)
	done := make(chan bench.ConnectResult)
	go func() { done <- c.Run(ctx) }()
	<-accepted
	interrupt()
	if r := <-done; !r.Interrupted || r.Attempts != 0 {
		t.Errorf("%+v", r)
	}
}
