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

// connect runs n connects that all begin at once, as good as.
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

// TestConnect: over either kind, with the tokens in turn. A refusal that comes
// before a client has said all is lost, and only a reset; and on a machine that is
// busy a connect may time out.
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
			t.Errorf("%s: %g connects a second", url, r.AchievedRate)
		}
	}
}

// TestConnectNobody: nobody listens.
func TestConnectNobody(t *testing.T) {
	t.Parallel()
	r := connect(t.Context(), t, bench.ConnectConfig{Target: bench.Target{Servers: nobody(t, "nats", "nats")}, Connects: 5})
	if r.Attempts != 5 || r.Failures[bench.Refused] != 5 || r.AchievedRate != 0 {
		t.Errorf("%+v", r)
	}
}

// TestConnectConfig: what cannot be made is not begun.
func TestConnectConfig(t *testing.T) {
	t.Parallel()
	good := bench.ConnectConfig{Target: bench.Target{Servers: []string{"127.0.0.1"}}, Rate: 1, Connects: 1, MaxInFlight: 1, Now: time.Now}
	for name, change := range map[string]func(*bench.ConnectConfig){
		"no rate":           func(c *bench.ConnectConfig) { c.Rate = 0 },
		"a rate of nothing": func(c *bench.ConnectConfig) { c.Rate = math.NaN() },
		"no connects":       func(c *bench.ConnectConfig) { c.Connects = 0 },
		"none in flight":    func(c *bench.ConnectConfig) { c.MaxInFlight = 0 },
		"held backwards":    func(c *bench.ConnectConfig) { c.Hold = -1 },
		"no clock":          func(c *bench.ConnectConfig) { c.Now = nil },
	} {
		bad := good
		change(&bad)
		if _, err := bench.NewConnect(t.Context(), bad); !errors.Is(err, bench.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := bench.NewConnect(t.Context(), good); err != nil {
		t.Error(err)
	}
}

// TestConnectLate: what begins late is measured from when it should have begun.
func TestConnectLate(t *testing.T) {
	t.Parallel()
	srv := startUsher(t, callouttest.ServerConfig{})
	var clock callouttest.Clock
	first := true
	lost := func() time.Time { // an hour is lost after the start
		now := clock.Now()
		if first {
			first = false
			clock.Move(time.Hour)
		}
		return now
	}
	var r bench.ConnectResult
	callouttest.Eventually(t, "somebody is in", func() bool { // on a busy machine all may time out
		first = true
		r = connect(t.Context(), t, bench.ConnectConfig{
			Target: bench.Target{Servers: []string{srv.URL()}, Tokens: []string{"publisher-key"}}, Connects: 3, Now: lost,
		})
		return r.Connected > 0
	})
	if fastest, ok := r.Took.At(0); !ok || fastest < time.Hour-time.Second || r.BeginLag < time.Hour-time.Second {
		t.Errorf("the fastest took %s: %+v", fastest, r)
	}
}

// TestConnectHold: connections stay open until the end, which an interruption
// brings about at once, and then they are closed.
func TestConnectHold(t *testing.T) {
	t.Parallel()
	srv := startUsher(t, callouttest.ServerConfig{})
	before := srv.Native().NumClients()
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
		callouttest.Eventually(t, "all are decided", func() bool {
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
	callouttest.Eventually(t, "all are closed", func() bool { return srv.Native().NumClients() == before })
}

// TestConnectInterrupted: what an interruption ends is neither connected nor failed.
func TestConnectInterrupted(t *testing.T) {
	t.Parallel()
	url, accepted := mute(t)
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
