package bench_test

import (
	"context"
	"testing"
	"time"

	"usher/bench"
	"usher/callouttest"
)

// startUsher starts a server with usher behind it.
func startUsher(t *testing.T, cfg callouttest.ServerConfig) *callouttest.Server {
	t.Helper()
	cfg.Keys = callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, cfg)
	callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), TLS: cfg.TLS, Keyring: callouttest.KeyringDir(t, false, cfg.Keys),
		Directory: callouttest.Directory(callouttest.DirectoryText),
	})
	return srv
}

func storm(ctx context.Context, t *testing.T, target bench.Target, clients int, d time.Duration) bench.StormResult {
	t.Helper()
	s, err := bench.NewStorm(ctx, bench.StormConfig{Target: target, Clients: clients, Duration: d, Now: time.Now})
	callouttest.Must(t, err)
	return s.Run(ctx)
}

// TestStorm: whoever has a good token comes in, over either kind.
func TestStorm(t *testing.T) {
	t.Parallel()
	srv := startUsher(t, callouttest.ServerConfig{})
	for kind, url := range map[bench.Kind]string{bench.TCP: srv.URL(), bench.WebSocket: srv.WebSocketURL()} {
		r := storm(t.Context(), t, bench.Target{Servers: []string{url}, Tokens: []string{"publisher-key", "consumer-key"}}, 20, time.Minute)
		if r.Kind != kind || r.Clients != 20 || r.Connected != 20 || r.ClosedForGood != 0 || r.Interrupted {
			t.Errorf("%s: %+v", url, r)
		}
		if last, ok := r.ConnectedAt.At(1); !ok || last <= 0 || last > r.Elapsed {
			t.Errorf("%s: all connected after %s of %s", url, last, r.Elapsed)
		}
	}
}

// TestStormRefused: a refused client tries once more, and then never again.
func TestStormRefused(t *testing.T) {
	t.Parallel()
	srv := startUsher(t, callouttest.ServerConfig{})
	r := storm(t.Context(), t, bench.Target{Servers: []string{srv.URL()}, Tokens: []string{"publisher-key", "nobody-key"}}, 10, time.Minute)
	if r.Connected != 5 || r.ClosedForGood != 5 || r.FailedAttempts != 10 || r.Failures[bench.Authorization] != 10 {
		t.Errorf("%+v", r)
	}
}
