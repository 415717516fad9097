package callout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// silenceTimeout is the servers' authorization.timeout in seconds. It must be more than
// 2.3 s, after which nats.go gives up an attempt (docs/explanation/silence.md and
// TestSilence). On a slow machine clients give up later, so it is much more.
const silenceTimeout = 5

// clientCount is how many clients connect: a third before the disturbance, the others
// during and after it.
const clientCount = 120

// newProcessEnv returns an environment whose server runs as a process and can be
// killed.
func newProcessEnv(t *testing.T) testEnv {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, Timeout: silenceTimeout, Process: true})
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	return testEnv{t, srv, service, keys}
}

func TestServerRestart(t *testing.T) {
	t.Parallel()
	s := newProcessEnv(t)
	c := newClientStream(t, s.server.URL())
	c.start(clientCount / 3)
	start := time.Now()
	rest := make(chan struct{})
	go func() {
		defer close(rest)
		c.start(clientCount - clientCount/3)
	}()
	s.server.Stop()
	s.server.Start(t)
	s.service.WaitReady(t)
	t.Logf("figures: the service was ready after %s", time.Since(start).Round(time.Millisecond))
	<-rest
	c.report(start)
}

func TestServiceRestart(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, Timeout: silenceTimeout})
	cfg := callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	}
	first := callouttest.StartService(t, cfg)
	c := newClientStream(t, srv.URL())
	c.start(clientCount / 3)
	start := time.Now()
	first.Stop(t)
	c.start(clientCount / 6) // these are not answered
	gap := time.Since(start)
	callouttest.StartService(t, cfg)
	t.Logf("figures: no service for %s", gap.Round(time.Millisecond))
	c.start(clientCount / 2)
	c.report(start)
}

// When one of two replicas stops, clients see no error.
func TestReplicaStops(t *testing.T) {
	s, services := newReplicas(t, true, 2)
	c := newClientStream(t, s.server.URL(), nats.Timeout(testTimeout)) // a slow machine must not cause errors
	c.start(clientCount / 3)
	start := time.Now()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		services[0].Stop(t)
	}()
	c.start(clientCount - clientCount/3)
	<-stopped
	c.report(start)
	if len(c.failed) > 0 {
		t.Errorf("errors: %v", c.failed)
	}
	for _, service := range services {
		for _, e := range service.Events(t) {
			if e.Text("code") != "granted" {
				t.Errorf("event: %v", e)
			}
		}
	}
}

// Repeated authorization errors must not close a service connection permanently.
func TestServiceSurvivesAuthErrors(t *testing.T) {
	t.Parallel() // mostly waits
	s := newTestEnv(t, true)
	s.server.SetServicePassword(t, "changed")
	callouttest.Eventually(t, "four authorization violations are in the log", func() bool {
		return strings.Count(s.service.Log.String(), "authorization violation") >= 4
	})
	if s.service.Ready() == nil {
		t.Error("ready without a connection")
	}
	s.server.SetServicePassword(t, callouttest.Password)
	s.service.WaitReady(t)
	s.connect(t, "publisher-key")
}
