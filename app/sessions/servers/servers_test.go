package servers_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/app/sessions/servers"
	"usher/callout/callouttest"
	"usher/callout/session"
)

// Without a user of the system account every method says so, and nothing is kept.
func TestNotConfigured(t *testing.T) {
	t.Parallel()
	s := servers.New(servers.Config{Now: time.Now})
	registry := sessions.New(s.Observer())
	callouttest.Must(t, s.Start(registry))
	id := session.ID{Server: "N", Client: 1}
	registry.Add(&session.Session{ID: id})
	failed, all := s.KickAll(t.Context(), []session.ID{id}, 0)
	_, details := s.Details(t.Context(), []session.ID{id}, false)
	for what, err := range map[string]error{"Ready": s.Ready(), "Kick": s.Kick(t.Context(), id), "KickAll": all, "Details": details} {
		if !errors.Is(err, servers.ErrNotConfigured) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if status := s.Status(); len(failed) != 1 || status.Connected || status.Answering() != 0 {
		t.Errorf("failed %v, status %+v", failed, status)
	}
	s.Stop()
}

// A session ends with its connection, over every transport.
func TestEvents(t *testing.T) {
	t.Parallel()
	f := start(t, defaults(), nil)
	plain, ws := f.client(t, "publisher-key"), client(t, f.nats.WebSocketURL(), "consumer-key")
	callouttest.RunServerConfig(t, fmt.Sprintf("server_name: edge\nlisten: \"127.0.0.1:-1\"\nleafnodes { remotes: [ {url: \"nats://ladmin-key@%s\"} ] }", f.nats.LeafAddr()))
	want := []string{"consumer", "ladmin", "publisher"}
	callouttest.Eventually(t, "three sessions", func() bool { return slices.Equal(f.users(), want) })
	f.waitEqual(t, f.nats.NATSServer())
	plain.Close()
	ws.Close()
	callouttest.Eventually(t, "one session", func() bool { return slices.Equal(f.users(), want[1:2]) })
	// The registry tells of a removal after it. On a busy machine a list of the server can be
	// faster than an event: another client then shows what events do.
	for n := 2; ; n++ {
		callouttest.Eventually(t, "all removals were told", func() bool { return f.endedBy(sessions.Disconnected)+f.endedBy(sessions.Missing) == n })
		if f.endedBy(sessions.Disconnected) >= 2 {
			break
		}
		if n == 20 {
			t.Fatalf("%d sessions were removed because of events, of %d", f.endedBy(sessions.Disconnected), n)
		}
		again := f.client(t, "publisher-key")
		callouttest.Eventually(t, "another session", func() bool { return slices.Equal(f.users(), want[1:]) })
		again.Close()
		callouttest.Eventually(t, "one session again", func() bool { return slices.Equal(f.users(), want[1:2]) })
	}
	callouttest.Eventually(t, "the server is known", func() bool {
		status := f.Status()
		return status.Connected && len(status.Servers) == 1 && status.Servers[0].Name == "test" && status.Servers[0].Sessions == 1 && status.Servers[0].Listed && status.Answering() == 1
	})
}

// A connection that usher denies is told to the hook, and is no session.
func TestRefused(t *testing.T) {
	t.Parallel()
	f := start(t, defaults(), nil)
	if _, err := nats.Connect(f.nats.URL(), nats.Token("wrong"), nats.NoReconnect()); err == nil {
		t.Fatal("let in")
	}
	callouttest.Eventually(t, "a refusal", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.refusals) > 0 && f.refusals[0].Server == f.nats.ID() && f.refusals[0].Client > 0 && f.refusals[0].Reason != ""
	})
	if f.registry.Len() > 0 {
		t.Errorf("%d sessions", f.registry.Len())
	}
}

// A user JWT that the server refuses is no session, whichever comes first: the event of the
// server, or usher's grant.
func TestRefusedByServer(t *testing.T) {
	t.Parallel()
	f := start(t, defaults(), func(_ *callouttest.ServerConfig, in *callouttest.ServiceConfig) {
		in.Directory = callouttest.WithDigests("users: [{name: lost, keys: [{digest: KEY(lost-key)}]}]\nprojects: [{name: p, account: NOWHERE, members: [{user: lost, roles: [project_admin]}]}]\n")
	})
	// A server whose time for the answer is over has refused the client before, and nothing more
	// is said about it.
	callouttest.Eventually(t, "the session is removed as refused", func() bool {
		if _, err := nats.Connect(f.nats.URL(), nats.Token("lost-key"), nats.NoReconnect(), callouttest.ConnectTimeout()); err == nil {
			t.Fatal("let in")
		}
		return f.endedBy(sessions.Refused) > 0
	})
	callouttest.Eventually(t, "no session is left", func() bool { return f.registry.Len() == 0 })
}

// A server that stops takes its sessions along.
func TestServerGone(t *testing.T) {
	t.Parallel()
	cfg := defaults()
	cfg.GoneAfter = time.Second
	f := start(t, cfg, nil)
	gone := &session.Session{ID: session.ID{Server: "NGONE", Client: 7}}
	f.registry.Add(gone)
	f.client(t, "publisher-key")
	callouttest.Eventually(t, "the session of a server that does not answer is removed", func() bool { return f.endedBy(sessions.ServerGone) == 1 })
	if users := f.users(); !slices.Equal(users, []string{"publisher"}) {
		t.Errorf("sessions of %v", users)
	}
}

// Connections from before usher's start are adopted, with the name and the selection that
// usher has given them. Those of the callout account, of the system account and of users
// without auth callout are not.
func TestAdopt(t *testing.T) {
	t.Parallel()
	f := start(t, defaults(), nil)
	f.mu.Lock()
	f.hold = true
	f.mu.Unlock()
	f.client(t, "publisher-key", nats.Name("till-7"+strings.Repeat("-", 3000)))
	f.nats.Connect(t, callouttest.AdminUser)
	callouttest.Eventually(t, "the connection is adopted", func() bool { return f.registry.Len() == 1 })
	for x := range f.registry.All {
		if !x.Adopted || x.Identity.Name != "publisher" || x.Grant.Account != callouttest.AppAccount || x.Server != f.nats.ID() ||
			x.ServerName != "test" || len(x.Client.Name) > session.MaxClientText || !strings.HasPrefix(x.Client.Name, "till-7") || !x.Addr.IsLoopback() || x.Started.IsZero() || x.Client.Kind != "Client" {
			t.Errorf("%+v", x)
		}
	}
	f.waitEqual(t, f.nats.NATSServer())

	later := newFixture()
	later.connect(t, defaults(), f.nats.URL(), nats.UserInfo(sessionsUser, callouttest.Password))
	callouttest.Eventually(t, "a replica that starts adopts it too", func() bool { return later.registry.Len() == 1 })
	later.waitEqual(t, f.nats.NATSServer())
}
