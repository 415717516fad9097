package server_test

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/config"
	"usher/app/server"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/secretfile"
)

// startReplica starts an usher of an installation, and stops it when the test ends.
func startReplica(t *testing.T, in apptest.Site, change func(*config.Config)) (*server.Server, *callouttest.Buffer) {
	t.Helper()
	cfg, err := config.Load(in.Config())
	callouttest.Must(t, err)
	change(cfg)
	log := &callouttest.Buffer{}
	srv, err := server.New(cfg, log)
	callouttest.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, func() { close(started) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v\n%s", err, log)
		}
	})
	select {
	case <-started:
	case err := <-ended:
		ended <- nil
		t.Fatalf("starting: %v\n%s", err, log)
	}
	callouttest.Eventually(t, "usher is ready", func() bool { return srv.Ready() == nil })
	return srv, log
}

// With a bucket and two replicas, a change closes the sessions that lose something and no
// others, and writes who was closed and why.
func TestRevocation(t *testing.T) {
	t.Parallel()
	in := apptest.NewSite(t, func(o *setup.Options) { o.KV = true })
	in.NatsServer(t)
	own := func(cfg *config.Config) {
		cfg.HTTP.Listen, cfg.API.Listen, cfg.Audit = "", "", config.Audit{To: "stderr"}
	}
	first, log := startReplica(t, in, own)
	_, otherLog := startReplica(t, in, func(cfg *config.Config) {
		own(cfg)
		cfg.Directory.SnapshotFile, cfg.Sessions.StateFile = "", ""
	})
	user, shop := directory.IDOf(directory.KindUser, "pia"), directory.IDOf(directory.KindProject, "shop")
	set := func(entries ...directory.Entry) {
		t.Helper()
		_, err := first.Bucket().Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) { return entries, nil })
		callouttest.Must(t, err)
	}
	set(
		directory.Entry{Key: directory.UserKey(user), Value: &directory.User{Name: "pia"}},
		directory.Entry{Key: directory.KeyKey(user, "one"), Value: &directory.Key{Digest: directory.DigestOf("p1")}},
		directory.Entry{Key: directory.KeyKey(user, "two"), Value: &directory.Key{Digest: directory.DigestOf("p2")}},
		directory.Entry{Key: directory.ProjectKey(shop), Value: &directory.Project{Name: "shop", Account: "APP"}},
		directory.Entry{Key: directory.MemberKey(shop, user), Value: &directory.Member{Roles: []directory.Role{directory.RoleProjectAdmin}}},
	)
	connect := func(key string) (nc *nats.Conn) {
		callouttest.Eventually(t, "both replicas know the key", func() bool {
			var err error
			nc, err = nats.Connect(in.URL, nats.Token(key), nats.NoReconnect())
			return err == nil
		})
		t.Cleanup(nc.Close)
		return nc
	}
	one, two := connect("p1"), connect("p2")
	set(directory.Entry{Key: directory.KeyKey(user, "one")})
	callouttest.Eventually(t, "the session of the key is closed", func() bool { return !one.IsConnected() })
	if err := two.Flush(); err != nil {
		t.Errorf("the session of another key: %v", err)
	}
	set(directory.Entry{Key: directory.MemberKey(shop, user)})
	callouttest.Eventually(t, "the session of the member is closed", func() bool { return !two.IsConnected() })
	lines := func() (out []string) {
		for line := range strings.Lines(log.String() + otherLog.String()) {
			if strings.Contains(line, `"kind":"session_closed"`) {
				out = append(out, line)
			}
		}
		return out
	}
	// A session can be in the audit of both, if one was late.
	callouttest.Eventually(t, "the audit says so", func() bool { return len(lines()) >= 2 })
	for _, want := range []string{`"code":"key_unknown"`, `"code":"no_role"`} {
		if !slices.ContainsFunc(lines(), func(line string) bool { return strings.Contains(line, want) && strings.Contains(line, `"user":"pia"`) }) {
			t.Errorf("no event has %s: %q", want, lines())
		}
	}
}

// A ban closes the sessions that it concerns on all servers, and no others.
func TestBanClosesSessions(t *testing.T) {
	t.Parallel()
	in := apptest.NewSite(t, func(o *setup.Options) { o.KV = true })
	in.NatsServer(t)
	srv, log := startReplica(t, in, func(cfg *config.Config) {
		cfg.HTTP.Listen, cfg.API.Listen, cfg.Audit = "", "", config.Audit{To: "stderr"}
	})
	set := func(entries ...directory.Entry) {
		t.Helper()
		_, err := srv.Bucket().Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) { return entries, nil })
		callouttest.Must(t, err)
	}
	shop := directory.IDOf(directory.KindProject, "shop")
	set(directory.Entry{Key: directory.ProjectKey(shop), Value: &directory.Project{Name: "shop", Account: "APP"}})
	for _, name := range []string{"ada", "bob"} {
		id := directory.IDOf(directory.KindUser, name)
		set(
			directory.Entry{Key: directory.UserKey(id), Value: &directory.User{Name: name}},
			directory.Entry{Key: directory.KeyKey(id, "k"), Value: &directory.Key{Digest: directory.DigestOf(name + "-key")}},
			directory.Entry{Key: directory.MemberKey(shop, id), Value: &directory.Member{Roles: []directory.Role{directory.RoleProjectAdmin}}},
		)
	}
	for name, target := range map[string]directory.BanTarget{
		"user":   {User: directory.IDOf(directory.KindUser, "ada")},
		"key":    {User: directory.IDOf(directory.KindUser, "ada"), Key: "k"},
		"digest": {Digest: directory.DigestOf("ada-key")},
	} {
		ada, bob := apptest.Connected(t, in.URL, nats.Token("ada-key"), nats.NoReconnect()), apptest.Connected(t, in.URL, nats.Token("bob-key"), nats.NoReconnect())
		now := time.Now()
		k := directory.BanKey("of-" + name)
		set(directory.Entry{Key: k, Value: &directory.Ban{Target: target, Reason: "too loud", Created: now, Until: now.Add(time.Hour)}})
		callouttest.Eventually(t, "the banned session is closed: "+name, func() bool { return !ada.IsConnected() })
		if err := bob.Flush(); err != nil {
			t.Errorf("%s: another session: %v", name, err)
		}
		if c, err := nats.Connect(in.URL, nats.Token("ada-key")); err == nil {
			c.Close()
			t.Errorf("%s: a banned client is let in", name)
		}
		set(directory.Entry{Key: k})
	}
	ada, bob := apptest.Connected(t, in.URL, nats.Token("ada-key"), nats.NoReconnect()), apptest.Connected(t, in.URL, nats.Token("bob-key"), nats.NoReconnect())
	set(directory.Entry{Key: directory.BanKey("net"), Value: &directory.Ban{
		Target: directory.BanTarget{Network: netip.MustParsePrefix("127.0.0.0/8")}, Reason: "too loud", Until: time.Now().Add(time.Hour),
	}})
	callouttest.Eventually(t, "all sessions of the network are closed", func() bool { return !ada.IsConnected() && !bob.IsConnected() })
	callouttest.Eventually(t, "the audit has the ban", func() bool {
		return strings.Contains(log.String(), `"code":"banned"`) && strings.Contains(log.String(), "ban net until")
	})
}

// Without a user of the system account usher says at its start that nobody is closed, and
// what to set; not if next_connect was chosen.
func TestNobodyIsClosed(t *testing.T) {
	t.Parallel()
	const line = "sessions that lose something stay open until their user JWT expires"
	in := apptest.NewSite(t, func(*setup.Options) {})
	in.NatsServer(t)
	for when, says := range map[string]bool{config.RevokeImmediately: true, config.RevokeAtNextConnect: false} {
		_, log := startReplica(t, in, func(cfg *config.Config) {
			cfg.HTTP.Listen, cfg.API.Listen, cfg.Audit = "", "", config.Audit{To: "stderr"}
			cfg.Sessions, cfg.Revocation.When = config.Sessions{}, when
		})
		if text := log.String(); strings.Contains(text, line) != says || says && !strings.Contains(text, "sessions.creds_file") {
			t.Errorf("%s: %s", when, text)
		}
	}
}

// A reload of usher.yaml changes what happens to sessions that gain something.
func TestReloadOnGain(t *testing.T) {
	t.Parallel()
	in := apptest.NewSite(t, func(o *setup.Options) { o.KV = true })
	in.NatsServer(t)
	srv, log := startReplica(t, in, func(cfg *config.Config) { cfg.HTTP.Listen, cfg.API.Listen = "", "" })
	pia := directory.IDOf(directory.KindUser, "pia")
	set := func(entries ...directory.Entry) {
		t.Helper()
		_, err := srv.Bucket().Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) { return entries, nil })
		callouttest.Must(t, err)
	}
	join := func(project string) {
		t.Helper()
		id := directory.IDOf(directory.KindProject, project)
		set(directory.Entry{Key: directory.ProjectKey(id), Value: &directory.Project{Name: project, Account: "APP"}},
			directory.Entry{Key: directory.MemberKey(id, pia), Value: &directory.Member{Roles: []directory.Role{directory.RoleProjectAdmin}}})
	}
	set(directory.Entry{Key: directory.UserKey(pia), Value: &directory.User{Name: "pia"}}, directory.Entry{Key: directory.KeyKey(pia, "k"), Value: &directory.Key{Digest: directory.DigestOf("p")}})
	join("shop")
	nc := apptest.Connected(t, in.URL, nats.Token("p"), nats.NoReconnect())
	join("bakery")
	text, err := os.ReadFile(in.Config())
	callouttest.Must(t, err)
	callouttest.Must(t, secretfile.Write(in.Config(), append(text, "revocation: {on_gain: reconnect}\n"...)))
	callouttest.Eventually(t, "the session has gained something", func() bool { return !nc.IsConnected() })
	callouttest.Eventually(t, "the log names the key", func() bool { return strings.Contains(log.String(), "keys=revocation.on_gain") })
	if got := log.String(); strings.Contains(got, "need a restart") {
		t.Errorf("log: %s", got)
	}
}
