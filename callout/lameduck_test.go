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

// A server that is about to stop says so; the service goes elsewhere while that one
// still serves the clients that it has, and answers for them from there.
func TestLameDuck(t *testing.T) {
	t.Parallel() // it waits, and so do others
	keys := callouttest.NewKeys(t)
	start := func(name string, routes ...string) *callouttest.Server {
		return callouttest.StartServer(t, callouttest.ServerConfig{
			Name: name, Keys: keys, Cluster: true, Routes: routes, LameDuck: time.Minute, // far more than it takes
		})
	}
	a := start("a")
	b := start("b", a.RouteURL())
	callouttest.Eventually(t, "the cluster is whole, and a tells its clients of b", func() bool {
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
	callouttest.Eventually(t, "it says so", func() bool { return strings.Count(s.Log.String(), "state=moved") == 3 })
	select {
	case <-stopped:
		t.Error("it went when the server had stopped")
	default:
	}
	s.WaitReady(t)
	in(t, b.URL())
	s.Stop(t)
	a.NATSServer().Shutdown() // and not after that minute
	<-stopped
	a.Start(t) // for the end of the test, which stops it
}

// With nowhere else to go it stays where the clients are.
func TestLameDuckAlone(t *testing.T) {
	t.Parallel() // it waits, and so do others
	keys := callouttest.NewKeys(t)
	a := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, LameDuck: time.Second})
	s := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: a.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	a.Stop()
	if strings.Contains(s.Log.String(), "state=moved") {
		t.Error("moved")
	}
	callouttest.Eventually(t, "the service knows that it is alone", func() bool { return s.Ready() != nil })
	a.Start(t)
	s.WaitReady(t)
	in(t, a.URL())
}

func in(t *testing.T, url string) {
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
