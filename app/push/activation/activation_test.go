package activation_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"usher/api/listener"
	apipush "usher/api/push"
	"usher/app/pki"
	"usher/app/push/activation"
	"usher/app/push/amssource"
	"usher/app/push/pushserver"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/secretfile"
	"usher/internal/tlsfiles"
)

// pushServer is one of usher's own.
type pushServer struct {
	name   string
	active *pushserver.Active
	server *pushserver.Server
	config *pushserver.Config
}

func (p *pushServer) start(t *testing.T, address string) {
	t.Helper()
	// A messaging service that tells nothing: a push server that is started anew has nothing.
	none := httptest.NewServer(nil)
	t.Cleanup(none.Close)
	log := slog.New(slog.DiscardHandler)
	p.active = pushserver.NewActive(pushserver.ActiveConfig{
		Messages: amssource.New(amssource.Config{URL: none.URL, Token: func() (string, error) { return "t", nil }, Log: log}),
		URL:      none.URL, Log: log,
		State: func(context.Context, string) (apipush.State, error) {
			return apipush.State{Status: apipush.StatusActive}, nil
		},
	})
	p.active.Use(nil)
	cfg := *p.config
	cfg.Registry, cfg.Address = p.active, address
	callouttest.Eventually(t, "the address is free", func() bool {
		var err error
		p.server, err = pushserver.Start(t.Context(), &cfg)
		return err == nil
	})
}

func (p *pushServer) stop() { p.server.Stop(time.Second) }

func (p *pushServer) names() []string {
	var out []string
	for _, s := range p.active.List() {
		out = append(out, s.Name)
	}
	slices.Sort(out)
	return out
}

func snapshotOf(t *testing.T, subs ...directory.Subscription) *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.New(directory.Records{Projects: []directory.Project{{
		Name: "P", Account: "A", Topics: []directory.Topic{{Name: "T"}}, Subscriptions: subs,
	}}})
	callouttest.Must(t, err)
	return s
}

func sub(name string, verified bool) directory.Subscription {
	return directory.Subscription{Name: name, Topic: "T", Push: &directory.Push{
		Type: "http_endpoint", Endpoint: "https://receiver.example.org/" + name, MaxMessages: 1,
		RetryType: "linear", RetryPeriod: 3000, VerificationHash: "0f", Verified: verified,
	}}
}

// Subscriptions of the directory are active on exactly one push server: after a change, after
// a server was started anew, and on another one while a server is away.
func TestActivation(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		callouttest.Must(t, secretfile.Write(path, text))
		return path
	}
	ca, caPair, err := pki.NewAuthority("ca", 0, time.Now())
	callouttest.Must(t, err)
	caFile := write("ca.pem", caPair.Cert)
	issue := func(r *pki.Request) (cert, key string) {
		pair, err := ca.Issue(r)
		callouttest.Must(t, err)
		return write(r.CN+".pem", pair.Cert), write(r.CN+".key", pair.Key)
	}
	serverCert, serverKey := issue(&pki.Request{CN: "push", DNS: []string{"push"}, Server: true, Now: time.Now()})
	cert, key := issue(&pki.Request{CN: "usher", Client: true, Now: time.Now()})
	log := slog.New(slog.DiscardHandler)
	var servers []activation.Server
	var pushers []*pushServer
	for _, name := range []string{"one", "two"} {
		p := &pushServer{name: name, config: &pushserver.Config{
			Certificate: &listener.Certificate{CertFile: serverCert, KeyFile: serverKey, Log: log}, ClientCA: caFile,
			CommonNames: []string{"usher"}, Now: time.Now, Log: log,
		}}
		p.start(t, "127.0.0.1:0")
		t.Cleanup(func() { p.stop() })
		pushers = append(pushers, p)
		var client *tls.Config
		client, err = tlsfiles.Client(tlsfiles.Files{CA: caFile, Cert: cert, Key: key})
		callouttest.Must(t, err)
		client.ServerName = "push"
		servers = append(servers, activation.Server{Name: name, Address: p.server.Addr().String(), TLS: client})
	}
	var snap atomic.Pointer[snapshot.Snapshot]
	snap.Store(snapshotOf(t, sub("a", true), sub("b", true), sub("c", true), sub("d", true), sub("new", false)))
	a, err := activation.New(&activation.Config{
		Servers: servers, Snapshot: snap.Load, Changed: make(chan struct{}), Now: time.Now, Log: log,
		Authorization: func(_ context.Context, _ *directory.Project, s *directory.Subscription) (string, error) {
			return "header-of-" + s.Name, nil
		},
		Patience: 50 * time.Millisecond, Interval: 20 * time.Millisecond, Recheck: 50 * time.Millisecond,
	})
	callouttest.Must(t, err)
	t.Cleanup(a.Close)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); a.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	all := func(want ...string) func() bool {
		return func() bool {
			got := append(pushers[0].names(), pushers[1].names()...)
			slices.Sort(got)
			return slices.Equal(got, want)
		}
	}
	state := func(name string) apipush.State {
		p, _ := snap.Load().Project("P")
		s, _ := snap.Load().Subscription("P", name)
		st, err := a.State(t.Context(), p, s)
		callouttest.Must(t, err)
		return st
	}
	callouttest.Eventually(t, "all that are verified are active once", all("a", "b", "c", "d"))
	callouttest.Eventually(t, "a state", func() bool { return state("a").Status == apipush.StatusActive && state("a").Worker != "" })
	if st := state("new"); st.Status != apipush.StatusUnverified {
		t.Errorf("of one that is not verified: %+v", st)
	}
	for _, p := range pushers {
		for _, s := range p.active.List() {
			if header, err := s.Authorization(t.Context()); err != nil || header != "header-of-"+s.Name {
				t.Errorf("authorization header %q of %s: %v", header, s.Name, err)
			}
		}
	}

	changed := sub("b", true)
	changed.Push.MaxMessages = 7
	snap.Store(snapshotOf(t, sub("a", true), changed, sub("c", false), sub("new", true)))
	callouttest.Eventually(t, "the change is in force", func() bool {
		most := 0
		for _, p := range pushers {
			for _, s := range p.active.List() {
				most = max(most, s.Push.MaxMessages)
			}
		}
		return most == 7 && all("a", "b", "new")()
	})

	address := pushers[0].server.Addr().String()
	pushers[0].stop()
	callouttest.Eventually(t, "the other server has all", func() bool { return slices.Equal(pushers[1].names(), []string{"a", "b", "new"}) })
	pushers[0].start(t, address)
	callouttest.Eventually(t, "each is active once after the restart", all("a", "b", "new"))
	// The connection to the server that was away comes back by itself, but not at once.
	callouttest.Eventually(t, "both are healthy", func() bool {
		health := a.Health(t.Context())
		return len(health) == 2 && health[0].Status == "SERVING" && health[1].Status == "SERVING"
	})
}
