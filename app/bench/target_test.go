package bench_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/app/bench"
	"usher/callout/callouttest"
)

// startUsher starts a server with usher as its auth callout service.
func startUsher(t *testing.T, cfg callouttest.ServerConfig) *callouttest.Server {
	t.Helper()
	cfg.Keys = callouttest.NewKeys(t)
	cfg.Timeout = 10 // long enough that the server never times out, even on a busy machine
	srv := callouttest.StartServer(t, cfg)
	callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), TLS: cfg.TLS, Keyring: callouttest.KeyringDir(t, false, cfg.Keys),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	return srv
}

// freeURLs returns a URL for each scheme at an address where nothing listens.
func freeURLs(t *testing.T, schemes ...string) []string {
	t.Helper()
	port := callouttest.FreePort(t)
	urls := make([]string, len(schemes))
	for i, scheme := range schemes {
		urls[i] = fmt.Sprintf("%s://127.0.0.1:%d", scheme, port+i)
	}
	return urls
}

// silentServer returns the URL of a server that accepts connections and never sends
// anything, and a channel that is closed after the first connection.
func silentServer(t *testing.T) (url string, accepted chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	accepted = make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			if conns = append(conns, conn); len(conns) == 1 {
				close(accepted)
			}
		}
		for _, conn := range conns {
			conn.Close() //nolint:errcheck // the end of the test
		}
	}()
	t.Cleanup(func() {
		l.Close() //nolint:errcheck // the end of the test
		<-ended
	})
	return "nats://" + l.Addr().String(), accepted
}

// hosts is a resolver with a few names.
func hosts(_ context.Context, name string) ([]netip.Addr, error) {
	known := map[string][]string{
		"local":  {"127.0.0.1", "::1", "127.9.9.9", "::ffff:127.0.0.1"},
		"remote": {"192.0.2.1"},
		"both":   {"127.0.0.1", "192.0.2.1"},
	}[name]
	if known == nil && name != "nowhere" {
		return nil, errUnknownHost
	}
	var addrs []netip.Addr
	for _, a := range known {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, nil
}

var errUnknownHost = errors.New("no such host")

// TestTarget: which targets are allowed.
func TestTarget(t *testing.T) {
	t.Parallel()
	for servers, want := range map[string]error{
		"nats://127.0.0.1:4222":                  nil,
		"127.0.0.1":                              nil,
		" tls://[::1]:4222":                      nil,
		"ws://127.3.2.1:80":                      nil,
		"wss://local/nats":                       nil,
		"nats://local:4222,nats://127.0.0.1":     nil,
		"nats://192.0.2.1:4222":                  bench.ErrRemote,
		"nats://0.0.0.0:4222":                    bench.ErrRemote,
		"nats://[::]:4222":                       bench.ErrRemote,
		"nats://[::ffff:192.0.2.1]:4222":         bench.ErrRemote,
		"nats://[fe80::1%25eth0]:4222":           bench.ErrRemote,
		"nats://remote:4222":                     bench.ErrRemote,
		"nats://both:4222":                       bench.ErrRemote,
		"nats://127.0.0.1:4222,nats://remote":    bench.ErrRemote,
		"nats://elsewhere":                       errUnknownHost,
		"":                                       bench.ErrServer,
		"nats://127.0.0.1,":                      bench.ErrServer,
		"http://127.0.0.1":                       bench.ErrServer,
		"nats://127.0.0.1:port":                  bench.ErrServer,
		"nats://:4222":                           bench.ErrServer,
		"nats://me:teapot@127.0.0.1":             bench.ErrServer,
		"nats://teapot@127.0.0.1:port":           bench.ErrServer,
		"nats://127.0.0.1,ws://127.0.0.1:80":     bench.ErrKind,
		"wss://127.0.0.1:443,nats://remote:4222": bench.ErrKind,
	} {
		target := bench.Target{Servers: strings.Split(servers, ","), Lookup: hosts}
		_, err := bench.NewStorm(t.Context(), bench.StormConfig{Clients: 1, Duration: time.Minute, Now: time.Now, Target: target})
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, not %v", servers, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "teapot") {
			t.Errorf("%q: the error shows a password: %v", servers, err)
		}
		target.AllowRemote = true
		if want == bench.ErrRemote || want == errUnknownHost { //nolint:errorlint // the table's own values
			want = nil
		}
		if _, err := bench.NewConnect(t.Context(), bench.ConnectConfig{Rate: 1, Connects: 1, MaxInFlight: 1, Now: time.Now, Target: target}); !errors.Is(err, want) {
			t.Errorf("%q with AllowRemote: %v, want %v", servers, err, want)
		}
	}
	if _, err := bench.NewStorm(t.Context(), bench.StormConfig{Clients: 1, Duration: time.Minute, Now: time.Now}); !errors.Is(err, bench.ErrServer) {
		t.Errorf("no server: %v", err)
	}
	if _, err := bench.NewStorm(t.Context(), bench.StormConfig{Clients: 1, Duration: time.Minute, Now: time.Now, Target: bench.Target{Servers: []string{"nats://nowhere"}, Lookup: hosts}}); err == nil {
		t.Error("a name without an address is accepted as loopback")
	}
}

// TestKind: a kind completes a URL without a scheme, and must match the scheme of others.
func TestKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   bench.Kind
		server string
		want   error
	}{
		{bench.TCP, "127.0.0.1:1", nil},
		{bench.TCP, "tls://127.0.0.1:1", nil},
		{bench.TCP, "ws://127.0.0.1:1", bench.ErrKind},
		{bench.WebSocket, "127.0.0.1:1", nil},
		{bench.WebSocket, "wss://127.0.0.1:1", nil},
		{bench.WebSocket, "nats://127.0.0.1:1", bench.ErrKind},
	} {
		_, err := bench.NewStorm(t.Context(), bench.StormConfig{Clients: 1, Duration: time.Minute, Now: time.Now, Target: bench.Target{Servers: []string{c.server}, Kind: c.kind}})
		if !errors.Is(err, c.want) {
			t.Errorf("%s %s: %v, not %v", c.kind, c.server, err, c.want)
		}
	}
}

// TestRebinding: a name that resolves to a remote address when it is dialed is refused.
func TestRebinding(t *testing.T) {
	t.Parallel()
	lookups := 0
	target := bench.Target{Servers: []string{"nats://moving:4222"}, Lookup: func(context.Context, string) ([]netip.Addr, error) {
		lookups++
		if lookups == 1 {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
	}}
	if err := bench.Dial(t.Context(), target, "moving:4222"); !errors.Is(err, bench.ErrRemote) || lookups != 2 {
		t.Errorf("looked up %d times: %v", lookups, err)
	}
}

// TestAddresses: all addresses of a name are tried.
func TestAddresses(t *testing.T) {
	t.Parallel()
	url, _ := silentServer(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "nats://"))
	callouttest.Must(t, err)
	for range 3 {
		target := bench.Target{Servers: []string{"nats://several:" + port}, Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.3")}, nil
		}}
		callouttest.Must(t, bench.Dial(t.Context(), target, "several:"+port))
	}
}

// TestAdvertised: clients never connect to servers that a server advertises. nats.go would
// try one right after a refusal.
func TestAdvertised(t *testing.T) {
	t.Parallel()
	elsewhere, accepted := silentServer(t)
	srv := startUsher(t, callouttest.ServerConfig{Cluster: true})
	callouttest.StartServer(t, callouttest.ServerConfig{
		Name: "other", Keys: callouttest.NewKeys(t), Cluster: true, Routes: []string{srv.RouteURL()},
		Extra: "client_advertise: \"" + strings.TrimPrefix(elsewhere, "nats://") + "\"\n",
	})
	witness := srv.Connect(t, callouttest.AdminUser)
	callouttest.Eventually(t, "the other server is advertised", func() bool { return len(witness.DiscoveredServers()) > 0 })
	r := storm(t.Context(), t, bench.Target{Servers: []string{srv.URL()}, Tokens: []string{"nobody-key"}}, 5, time.Minute)
	if r.Failures[bench.Authorization] == 0 {
		t.Errorf("%+v", r)
	}
	select {
	case <-accepted:
		t.Error("clients connected to an advertised server")
	default:
	}
}
