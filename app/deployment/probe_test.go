package deployment

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/config"
	"usher/callout/callouttest"
)

// TestProbeOneServer: a probe reaches the server it is for, and no other of the cluster. After
// a refusal nats.go would try the others.
func TestProbeOneServer(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	a := callouttest.StartServer(t, callouttest.ServerConfig{Name: "n1", Keys: keys, Cluster: true, Timeout: 1})
	b := callouttest.StartServer(t, callouttest.ServerConfig{Name: "n2", Keys: keys, Cluster: true, Timeout: 1, Routes: []string{a.RouteURL()}})
	callouttest.Eventually(t, "n1 tells clients of n2", func() bool {
		nc, err := nats.Connect(a.URL(), nats.UserInfo(callouttest.ServiceUser, callouttest.Password))
		if err != nil {
			return false
		}
		defer nc.Close()
		return len(nc.DiscoveredServers()) > 0
	})
	connections := func() uint64 {
		v, err := b.NATSServer().Varz(nil)
		callouttest.Must(t, err)
		return v.TotalConnections
	}
	before := connections()
	err := probeAt(&config.Config{}, a.URL(), "somebody")
	for i := 1; i < apptest.Attempts && err != nil && apptest.Unanswered(err.Error()); i++ {
		err = probeAt(&config.Config{}, a.URL(), "somebody")
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("%v", err)
	}
	if n := connections() - before; n > 0 {
		t.Errorf("%d clients connected to n2", n)
	}
}
