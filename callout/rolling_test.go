package callout_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// Two replicas are replaced one after the other, with several connections
// each: nobody is refused, and nobody is left without an answer.
func TestRollingRestart(t *testing.T) {
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, DisableShortFirstPing: true})
	cfg := callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys), Connections: 4,
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	}
	services := []*callouttest.Service{callouttest.StartService(t, cfg), callouttest.StartService(t, cfg)}
	c := newClientStream(t, srv.URL(), nats.Timeout(testTimeout))
	start := time.Now()
	coming := make(chan struct{})
	go func() {
		defer close(coming)
		c.come(clientCount)
	}()
	for replaced, done := 0, false; !done; replaced++ { // again and again, while clients come
		services = append(services, callouttest.StartService(t, cfg))
		services[replaced].Stop(t)
		select {
		case <-coming:
			done = true
			t.Logf("figures: %d replicas were replaced", replaced+1)
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
