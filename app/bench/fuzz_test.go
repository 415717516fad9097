package bench_test

import (
	"context"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"usher/app/bench"
)

// FuzzServer: no accepted URL names another machine, and no error repeats a password.
func FuzzServer(f *testing.F) {
	for _, seed := range []string{
		"nats://127.0.0.1:4222", "tls://[::1]", "wss://localhost/nats", "127.0.0.1", "nats://192.0.2.1", "nats://0x7f000001",
		"nats://[fe80::1%25lo]:1", "nats://127.0.0.1:port", "nats://me:teapot@127.0.0.1", "ws://teapot%zz@h", "://", "nats:127.0.0.1",
	} {
		f.Add(seed)
	}
	unknown := func(context.Context, string) ([]netip.Addr, error) { return nil, errUnknownHost }
	f.Fuzz(func(t *testing.T, server string) {
		_, err := bench.NewStorm(t.Context(), bench.StormConfig{Clients: 1, Duration: time.Minute, Now: time.Now, Target: bench.Target{Servers: []string{server}, Lookup: unknown}})
		if err != nil {
			if strings.Contains(server, "teapot") && strings.Contains(server, "@") && strings.Contains(err.Error(), "teapot") {
				t.Errorf("%q: %v", server, err)
			}
			return
		}
		if !strings.Contains(server, "://") {
			server = "nats://" + strings.TrimSpace(server)
		}
		u, err := url.Parse(strings.TrimSpace(server))
		if err != nil {
			t.Fatal(err)
		}
		if a, err := netip.ParseAddr(u.Hostname()); err != nil || !a.Unmap().IsLoopback() {
			t.Errorf("%q: host %s is accepted", server, u.Hostname())
		}
	})
}
