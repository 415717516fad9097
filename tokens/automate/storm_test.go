package automate_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/permissions/mapping"
	"usher/tokens"
	"usher/tokens/automate/automatetest"
)

// While 200 clients a second connect and both services restart again and again, nobody is
// denied who has a good token, and nobody let in who has none. A restart waits until good
// clients got in after the last one, however slow the machine is.
//
// Attack: a restart of Automate's services lets clients in, or makes them give up for good
// Held by: what usher cannot ask about is not answered
func TestRestartsUnderLoad(t *testing.T) {
	const (
		every    = 5 * time.Millisecond
		waiting  = 200 // clients at most
		restarts = 10
		between  = 10 // good clients that get in between two restarts
		down     = 20 // clients that come while a service is down
	)
	a := automatetest.New(t)
	a.Set("idle-token", automatetest.Reply{Subject: "token:idle"})
	cfg := configOf(t, a)
	cfg.Backend.MaxAge, cfg.Backend.RefusalAge, cfg.Backend.Timeout = 0, 0, time.Second
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	rules, problems := mapping.New(mapping.Config{Rules: []mapping.Rule{
		{Name: "chef", When: []mapping.Condition{{Fact: "authority", Equals: "chef"}}, Ingest: true},
	}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	svc := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Verifiers: []tokens.Verifier{start(t, cfg)}, Identities: rules, Waiters: 4 * waiting,
	})
	var came, in atomic.Int64
	connect := func(kind, text string) {
		// A client sees no difference between a denial and silence: the audit tells them apart.
		nc, err := nats.Connect(srv.URL(), nats.Token(text), nats.Name(kind), nats.NoReconnect(), nats.Timeout(10*time.Second))
		if err != nil {
			return
		}
		nc.Close()
		if kind != "good" {
			t.Errorf("a client with a token that is %s was let in", kind)
		}
		in.Add(1)
	}
	var load, clients sync.WaitGroup
	stop := make(chan struct{})
	end := sync.OnceFunc(func() {
		close(stop)
		load.Wait()
		clients.Wait()
	})
	defer end()
	load.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		slots := make(chan struct{}, waiting)
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-stop:
				return
			}
			kind, text := "good", fmt.Sprintf("good-token-%d", i)
			switch i % 4 {
			case 1:
				kind, text = "unknown", fmt.Sprintf("unknown-token-%d", i)
			case 3:
				kind, text = "idle", "idle-token"
			default:
				a.Set(text, automatetest.Reply{Subject: fmt.Sprintf("token:%d", i), Projects: []string{"east"}})
			}
			slots <- struct{}{}
			came.Add(1)
			clients.Go(func() {
				defer func() { <-slots }()
				connect(kind, text)
			})
		}
	})
	rise := func(n *atomic.Int64, by int64, what string) {
		t.Helper()
		from := n.Load()
		callouttest.Eventually(t, what, func() bool { return n.Load() >= from+by })
	}
	services := []*automatetest.Server{a.Authn, a.Authz}
	for i := range restarts {
		rise(&in, between, "good clients get in")
		services[i%2].Stop()
		rise(&came, down, "clients come while a service is down")
		services[i%2].Start(t)
	}
	rise(&in, between, "good clients get in after the last restart")
	end()
	count := map[string]int{}
	for _, e := range svc.Settled(t) {
		count[e.Text("client_name")+" "+e.Text("outcome")]++
	}
	t.Logf("%d connects, at most 200 a second, %d restarts: %v", came.Load(), restarts, count)
	if count["good denied"] > 0 {
		t.Error("somebody was wrongly denied")
	}
	if count["good unavailable"] == 0 || count["unknown denied"] == 0 || count["idle denied"] == 0 {
		t.Error("nothing was denied, or no restart was noticed")
	}
	for _, text := range []string{svc.AuditText(), svc.Log.String()} {
		if strings.Contains(text, "good-token") || strings.Contains(text, "unknown-token") || strings.Contains(text, "idle-token") {
			t.Error("audit or log shows a token")
		}
	}
}
