package bench_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/app/bench"
	"usher/callout/callouttest"
)

func storm(ctx context.Context, t *testing.T, target bench.Target, clients int, d time.Duration) bench.StormResult {
	t.Helper()
	s, err := bench.NewStorm(ctx, bench.StormConfig{Target: target, Clients: clients, Duration: d, Now: time.Now})
	callouttest.Must(t, err)
	r := s.Run(ctx)
	s.Close()
	sum := int64(0)
	for _, n := range r.Failures {
		sum += n
	}
	if r.FailedAttempts != sum {
		t.Errorf("%d failed attempts, %d counted: %+v", r.FailedAttempts, sum, r)
	}
	return r
}

// stormUntil interrupts a storm after the given number of failed attempts.
func stormUntil(t *testing.T, target bench.Target, clients int, attempts int64) bench.StormResult {
	t.Helper()
	s, err := bench.NewStorm(t.Context(), bench.StormConfig{Target: target, Clients: clients, Duration: time.Minute, Now: time.Now})
	callouttest.Must(t, err)
	defer s.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	done := make(chan bench.StormResult)
	go func() { done <- s.Run(ctx) }()
	callouttest.Eventually(t, "attempts have failed", func() bool {
		_, _, failed := s.Progress()
		return failed >= attempts
	})
	interrupt()
	return <-done
}

// TestStorm: clients with a valid token connect, over either kind, and disconnect at the
// end.
func TestStorm(t *testing.T) {
	t.Parallel()
	srv := startUsher(t, callouttest.ServerConfig{})
	before := srv.NATSServer().NumClients()
	for kind, url := range map[bench.Kind]string{bench.TCP: srv.URL(), bench.WebSocket: srv.WebSocketURL()} {
		r := storm(t.Context(), t, bench.Target{Servers: []string{url}, Tokens: []string{"publisher-key", "consumer-key"}}, 20, time.Minute)
		if r.Kind != kind || r.Clients != 20 || r.Connected != 20 || r.ClosedForGood != 0 || r.Interrupted {
			t.Errorf("%s: %+v", url, r)
		}
		if last, ok := r.ConnectedAt.At(1); !ok || last <= 0 || last > r.Elapsed {
			t.Errorf("%s: all connected after %s of %s", url, last, r.Elapsed)
		}
		callouttest.Eventually(t, "all are closed", func() bool { return srv.NATSServer().NumClients() == before })
	}
}

// TestStormRefused: a refused client retries until it is refused twice, then never again.
func TestStormRefused(t *testing.T) {
	t.Parallel()
	srv := startUsher(t, callouttest.ServerConfig{})
	parallel([]string{srv.URL(), srv.WebSocketURL()}, func(url string) {
		r := storm(t.Context(), t, bench.Target{Servers: []string{url}, Tokens: []string{"publisher-key", "nobody-key"}}, 10, time.Minute)
		checkRefused(t, &r)
		_, half := r.ConnectedAt.At(0.5)
		_, more := r.ConnectedAt.At(0.51)
		_, each := r.ClientTook.At(1)
		if !half || more || !each {
			t.Errorf("%s: half of them: %t, more: %t, those connected: %t", url, half, more, each)
		}
	})
}

// checkRefused checks that 5 of 10 clients connected and 5 were refused twice. A client
// that is refused before it has sent everything may see only a reset, and on a busy
// machine attempts may time out.
func checkRefused(t *testing.T, r *bench.StormResult) {
	t.Helper()
	refusals := r.Failures[bench.Authorization]
	other := r.Failures[bench.Reset] + r.Failures[bench.Timeout]
	if r.Connected != 5 || r.ClosedForGood != 5 || refusals > 10 || refusals+other < 10 || r.FailedAttempts != refusals+other {
		t.Errorf("%+v", r)
	}
}

// parallel calls do for several items at the same time.
func parallel[T any](items []T, do func(T)) {
	var all sync.WaitGroup
	for _, item := range items {
		all.Go(func() { do(item) })
	}
	all.Wait()
}

// TestStormTLS: failures inside TLS are counted, and so are untrusted certificates.
func TestStormTLS(t *testing.T) {
	t.Parallel()
	ca := callouttest.NewCA(t)
	srv := startUsher(t, callouttest.ServerConfig{TLS: ca})
	parallel([]*callouttest.CA{ca, callouttest.NewCA(t)}, func(trusted *callouttest.CA) {
		target := bench.Target{Servers: []string{srv.URL()}, Tokens: []string{"publisher-key", "nobody-key"}, RootCAs: trusted.ClientTLS().RootCAs}
		if trusted == ca {
			r := storm(t.Context(), t, target, 10, time.Minute)
			checkRefused(t, &r)
		} else if r := stormUntil(t, target, 1, 1); r.Connected != 0 || r.Failures[bench.TLS]+r.Failures[bench.Reset]+r.Failures[bench.Timeout] != r.FailedAttempts {
			t.Errorf("another CA: %+v", r)
		}
	})
}

// TestSilent: without usher no client connects, and the run still ends. Connects start
// before earlier ones finish, but no more than MaxInFlight.
func TestSilent(t *testing.T) {
	t.Parallel()
	// The server waits for the auth callout longer than the clients wait for the server.
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: callouttest.NewKeys(t), Timeout: 10})
	url, _ := silentServer(t)
	// nats.go would wait forever for a TLS handshake over WebSocket.
	parallel([]string{"storm", srv.URL(), url, strings.Replace(url, "nats", "tls", 1), strings.Replace(url, "nats", "wss", 1)}, func(url string) {
		if url == "storm" {
			r := storm(t.Context(), t, bench.Target{Servers: []string{srv.URL()}}, 5, 8*time.Second)
			if r.Connected != 0 || r.ClosedForGood != 0 || r.Interrupted || r.FailedAttempts == 0 || r.FailedAttempts != r.Failures[bench.Timeout] {
				t.Errorf("%+v", r)
			}
			return
		}
		r := connect(t.Context(), t, bench.ConnectConfig{Target: bench.Target{Servers: []string{url}}, Connects: 10, MaxInFlight: 3})
		_, took := r.Took.At(0.5)
		if r.Connected != 0 || r.Failures[bench.MaxInFlight] == 0 || r.Failures[bench.Timeout]+r.Failures[bench.MaxInFlight] != 10 || took {
			t.Errorf("%s: %+v", url, r)
		}
	})
}

// TestStormNoServer: every server of the list is an attempt.
func TestStormNoServer(t *testing.T) {
	t.Parallel()
	for attempts, schemes := range map[int64][]string{5: {"nats"}, 10: {"nats", "nats"}, 15: {"ws", "ws", "ws"}} {
		r := stormUntil(t, bench.Target{Servers: freeURLs(t, schemes...)}, 5, attempts)
		if r.Connected != 0 || r.ClosedForGood != 0 || r.Failures[bench.Refused] < attempts || r.Failures[bench.Refused] != r.FailedAttempts {
			t.Errorf("%v: %+v", schemes, r)
		}
	}
}

// TestStormLimit: a server at its connection limit.
func TestStormLimit(t *testing.T) {
	t.Parallel()
	srv := startUsher(t, callouttest.ServerConfig{Extra: "max_connections: 4\n"}) // usher has one
	r := stormUntil(t, bench.Target{Servers: []string{srv.URL()}, Tokens: []string{"publisher-key"}}, 10, 7)
	// A client that writes early finds the connection reset and never reads the error.
	if r.Connected > 3 || r.Failures[bench.ServerLimit]+r.Failures[bench.Reset]+r.Failures[bench.Timeout] != r.FailedAttempts {
		t.Errorf("%+v", r)
	}
}

// TestStormSpread: clients start one after the other, and their latency counts from then.
func TestStormSpread(t *testing.T) {
	t.Parallel()
	srv := startUsher(t, callouttest.ServerConfig{})
	const spread = 500 * time.Millisecond
	s, err := bench.NewStorm(t.Context(), bench.StormConfig{
		Target:  bench.Target{Servers: []string{srv.URL()}, Tokens: []string{"publisher-key"}},
		Clients: 5, Duration: time.Minute, Spread: spread, Now: time.Now,
	})
	callouttest.Must(t, err)
	r := s.Run(t.Context())
	s.Close()
	last, _ := r.ConnectedAt.At(1)
	fastest, _ := r.ClientTook.At(0)
	if r.Connected != 5 || last < spread*4/5 || fastest >= last {
		t.Errorf("last client connected after %s, fastest took %s: %+v", last, fastest, r)
	}
}

// TestStormInterrupted: an interrupted attempt counts neither as connected nor as failed.
func TestStormInterrupted(t *testing.T) {
	t.Parallel()
	url, accepted := silentServer(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	s, err := bench.NewStorm(ctx, bench.StormConfig{Target: bench.Target{Servers: []string{url}}, Clients: 5, Duration: time.Hour, Now: time.Now})
	callouttest.Must(t, err)
	defer s.Close()
	done := make(chan bench.StormResult)
	go func() { done <- s.Run(ctx) }()
	<-accepted
	interrupt()
	if r := <-done; !r.Interrupted || r.Connected != 0 || r.FailedAttempts != 0 {
		t.Errorf("%+v", r)
	}
	if connected, closed, failed := s.Progress(); connected+closed+failed != 0 {
		t.Errorf("%d connected, %d closed, %d failed", connected, closed, failed)
	}
}

// TestStormConfig: an invalid configuration is refused.
func TestStormConfig(t *testing.T) {
	t.Parallel()
	valid := bench.StormConfig{Target: bench.Target{Servers: []string{"127.0.0.1"}}, Clients: 1, Duration: 1, Now: time.Now}
	for name, change := range map[string]func(*bench.StormConfig){
		"no clients":                  func(c *bench.StormConfig) { c.Clients = 0 },
		"no duration":                 func(c *bench.StormConfig) { c.Duration = 0 },
		"negative spread":             func(c *bench.StormConfig) { c.Spread = -1 },
		"spread longer than duration": func(c *bench.StormConfig) { c.Spread = 2 },
		"no clock":                    func(c *bench.StormConfig) { c.Now = nil },
	} {
		invalid := valid
		change(&invalid)
		if _, err := bench.NewStorm(t.Context(), invalid); !errors.Is(err, bench.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := bench.NewStorm(t.Context(), valid); err != nil {
		t.Error(err)
	}
}
