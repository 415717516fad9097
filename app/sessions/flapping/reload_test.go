package flapping_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/app/sessions/flapping"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/directory"
)

// counted is a registry whose grants a Detector counts.
type counted struct {
	*sessions.Registry
	*flapping.Detector
}

func (c counted) Granted(s *session.Session) {
	c.AddGranted(s)
	c.Detector.Granted(s)
}

// A server that is reloaded asks again about all connections at once. Nobody has connected.
func TestReloadIsNoFlapping(t *testing.T) {
	t.Parallel()
	d, store, clock := start(t, flapping.Credential, flapping.User, flapping.Address)
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{})
	own := &callouttest.Clock{}
	own.Advance(-2 * time.Second) // until the reload
	callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Now: own.Now, Sessions: counted{sessions.New(), d}, Directory: callouttest.WithDigests(`
users: [{name: ada, keys: [{digest: KEY(ada-key)}]}]
projects: [{name: shop, account: APP, members: [{user: ada, roles: [publisher]}]}]
`)})
	var all []*nats.Conn
	for i := range 8 {
		option := nats.Token("ada-key")
		if i%2 == 0 {
			option = nats.UserInfo("ada", "ada-key")
		}
		nc, err := nats.Connect(o.URLs(), option, nats.NoReconnect(), nats.Timeout(10*time.Second))
		callouttest.Must(t, err)
		defer nc.Close()
		all = append(all, nc)
	}
	clock.Advance(time.Hour) // a new server is no pause any more
	own.Advance(2 * time.Second)
	o.Servers[0].Reload(t)
	for _, nc := range all {
		callouttest.Must(t, nc.FlushTimeout(10*time.Second))
	}
	d.Granted(of("other", "192.0.2.1"))
	for range 6 {
		d.Decided(denied("198.51.100.2"))
	}
	callouttest.Eventually(t, "an address is banned", func() bool { return len(bans(store)) > 0 })
	for _, b := range bans(store) {
		if b.Target.Kind() != directory.BanOfNetwork || b.Target.Network.String() != "198.51.100.2/32" {
			t.Errorf("banned %s", b.Target.String())
		}
	}
}
