package callout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// When a server enters lame duck mode, the service moves to another server, while the
// first still serves its clients.
func TestLameDuck(t *testing.T) {
	t.Parallel() // mostly waits
	keys := callouttest.NewKeys(t)
	start := func(name string, routes ...string) *callouttest.Server {
		return callouttest.StartServer(t, callouttest.ServerConfig{
			Name: name, Keys: keys, Cluster: true, Routes: routes, LameDuck: time.Minute, // much longer than the move takes
		})
	}
	a := start("a")
	b := start("b", a.RouteURL())
	callouttest.Eventually(t, "the cluster has formed, and a advertises b", func() bool {
		z, err := a.NATSServer().Varz(nil)
		callouttest.Must(t, err)
		return b.NATSServer().NumRoutes() > 0 && slices.Contains(z.ClientConnectURLs, b.Addr())
	})
	s := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: a.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Connections: 3,
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	if n := connectionsOf(t, a); n != 3 {
		t.Fatalf("%d service connections", n)
	}
	stopped := make(chan struct{})
	go func() {
		a.Stop()
		close(stopped)
	}()
	callouttest.Eventually(t, "the service has moved", func() bool { return connectionsOf(t, b) == 3 && s.Ready() == nil })
	// A connection that was lost meanwhile has reconnected without a move. The server closes
	// none of them in this minute.
	callouttest.Eventually(t, "a move is in the log", func() bool { return strings.Contains(s.Log.String(), "state=moved") })
	select {
	case <-stopped:
		t.Error("the service moved only after the server had stopped")
	default:
	}
	s.WaitReady(t)
	expectConnectTo(t, b.URL())
	s.Stop(t)
	a.NATSServer().Shutdown() // before the lame duck grace period ends
	<-stopped
	a.Start(t) // the cleanup of the test stops it
}

// Without another server the connections stay.
func TestLameDuckAlone(t *testing.T) {
	t.Parallel() // mostly waits
	keys := callouttest.NewKeys(t)
	a := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, LameDuck: time.Second})
	s := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: a.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	a.Stop()
	if strings.Contains(s.Log.String(), "state=moved") {
		t.Error("moved")
	}
	callouttest.Eventually(t, "the service is disconnected", func() bool { return s.Ready() != nil })
	a.Start(t)
	s.WaitReady(t)
	expectConnectTo(t, a.URL())
}

func expectConnectTo(t *testing.T, url string) {
	t.Helper()
	nc, err := nats.Connect(url, nats.Token("publisher-key"), nats.Timeout(5*time.Second), nats.IgnoreDiscoveredServers())
	callouttest.Must(t, err)
	nc.Close()
}

// connectionsOf counts the service connections of a server.
func connectionsOf(tb testing.TB, s *callouttest.Server) int {
	tb.Helper()
	connz, err := s.NATSServer().Connz(&server.ConnzOptions{Limit: 100})
	callouttest.Must(tb, err)
	n := 0
	for _, c := range connz.Conns {
		if strings.HasPrefix(c.Name, "usher-") {
			n++
		}
	}
	return n
}
