package callout_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// While replicas are replaced one after the other, no client is refused and every
// request is answered.
func TestRollingRestart(t *testing.T) {
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true})
	cfg := callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys), Connections: 4,
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	}
	services := []*callouttest.Service{callouttest.StartService(t, cfg), callouttest.StartService(t, cfg)}
	c := newClientStream(t, srv.URL(), nats.Timeout(testTimeout))
	start := time.Now()
	started := make(chan struct{})
	go func() {
		defer close(started)
		c.start(clientCount)
	}()
	for replaced, done := 0, false; !done; replaced++ { // until all clients have started
		services = append(services, callouttest.StartService(t, cfg))
		services[replaced].Stop(t)
		select {
		case <-started:
			done = true
			t.Logf("figures: %d replicas replaced", replaced+1)
		default:
		}
	}
	c.report(start)
	if len(c.failed) > 0 {
		t.Errorf("errors: %v", c.failed)
	}
	for i, service := range services {
		for _, e := range service.Events(t) {
			if e.Text("code") != "granted" {
				t.Errorf("replica %d: %v", i, e)
			}
		}
	}
}
