package streambridge_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest/gatewaytest"
	"usher/app/checkup/finding"
	"usher/app/checkup/streambridge"
	"usher/app/config"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
)

func check(t *testing.T, g *gatewaytest.Gateway, change func(*config.StanBridge)) string {
	t.Helper()
	cfg, err := config.Load(g.Config())
	callouttest.Must(t, err)
	if change != nil {
		change(&cfg.StanBridge)
	}
	var f finding.List
	streambridge.Check(t.Context(), &f, cfg, false)
	var b strings.Builder
	for _, x := range f {
		b.WriteString(string(x.Severity) + " " + x.Check + ": " + x.Detail + "\n")
	}
	return b.String()
}

// ended is a certificate of the bridge that has ended, and its key.
func ended(t *testing.T, g *gatewaytest.Gateway) []byte {
	t.Helper()
	read := func(name string) []byte {
		text, err := os.ReadFile(g.Path(name))
		callouttest.Must(t, err)
		return text
	}
	ca, err := pki.ParseAuthority(pki.Pair{Cert: read(setup.FileCA), Key: read(setup.FileCAKey)})
	callouttest.Must(t, err)
	pair, err := ca.Issue(&pki.Request{CN: "stan-bridge", DNS: []string{"stan-bridge"}, Client: true, Now: time.Now().Add(-4 * time.Minute), Lifetime: time.Minute})
	callouttest.Must(t, err)
	return append(pair.Cert, pair.Key...)
}

func TestCheck(t *testing.T) {
	g := gatewaytest.New(t, gatewaytest.WithBridge(t))
	expect := func(change func(*config.StanBridge), want ...string) {
		t.Helper()
		if got := check(t, g, change); strings.Count(got, "\n") != len(want) {
			t.Errorf("got %s", got)
		} else {
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("got %s, not %s", got, w)
				}
			}
		}
	}
	expect(func(c *config.StanBridge) { c.URLs = nil })
	expect(nil, "error stan bridge: ")
	expect(func(c *config.StanBridge) { c.TLS.CertFile = g.Path("missing.pem") }, "error stan bridge: stan_bridge.tls.cert_file")
	g.Start(t)
	live := g.Path("ended.pem")
	callouttest.Must(t, os.WriteFile(live, ended(t, g), 0o600))
	expect(func(c *config.StanBridge) { c.TLS.CertFile, c.TLS.KeyFile = live, live }, "stan-bridge\" of \"event gateway CA\" has ended at", "; connected with certificate \"stan-bridge\"")
	callouttest.Eventually(t, "all is well", func() bool { return strings.Contains(check(t, g, nil), "ok stan bridge stream") })
	expect(nil, "ok stan bridge: a bridge serves cluster ID event-service", "ok stan bridge stream: stream HABITAT: 0 messages, 1 replica(s), kept for 168h0m0s, at most 1073741824 bytes")
	expect(func(c *config.StanBridge) { c.Channels = []string{"habitat", "other"} }, "ok stan bridge: ", "stream HABITAT does not capture stan.other: messages of channel other")
	expect(func(c *config.StanBridge) { c.TLS.ServerName = "other" }, "error stan bridge: ")

	// Another stream under the same name.
	js, err := jetstream.New(g.Store(t))
	callouttest.Must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	callouttest.Must(t, js.DeleteStream(ctx, setup.StreamHabitat))
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: setup.StreamHabitat, Subjects: []string{"stan.*"}, Storage: jetstream.MemoryStorage, NoAck: true})
	callouttest.Must(t, err)
	expect(nil, "ok stan bridge: ", "warning stan bridge stream: stream HABITAT is in memory", "warning stan bridge stream: stream HABITAT has no limit", "error stan bridge stream: stream HABITAT acknowledges nothing")
	g.StopUsher()
	callouttest.Must(t, js.DeleteStream(ctx, setup.StreamHabitat))
	expect(nil, "warning stan bridge: no bridge serves", "warning stan bridge stream: there is no stream HABITAT")
	expect(func(c *config.StanBridge) { c.Managed = false }, "warning stan bridge: no bridge serves", "error stan bridge stream: there is no stream HABITAT")
}
