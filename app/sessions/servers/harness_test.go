package servers_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/app/sessions/servers"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/issuer/operator"
)

const sessionsUser = "usher-sessions"

// systemUser is the user of the system account with which usher lists and closes
// connections, for callouttest.ServerConfig.
func systemUser() string {
	publish, subscribe := operator.SessionSubjects()
	return fmt.Sprintf(`{user: %s, password: %q, permissions: {publish: ["%s"], subscribe: ["%s"]}}`,
		sessionsUser, callouttest.Password, strings.Join(publish, `", "`), strings.Join(subscribe, `", "`))
}

// fixture is a server, an usher and a Servers.
type fixture struct {
	*servers.Servers
	registry *sessions.Registry
	nats     *callouttest.Server
	service  *callouttest.Service

	mu       sync.Mutex
	refusals []servers.Refusal
	endings  map[sessions.Ending]int
	hold     bool // grants are not told to the registry
	static   bool // connections of AdminUser are sessions
}

// Find implements callout.Sessions.
func (f *fixture) Find(id session.ID) (*session.Session, bool) { return f.registry.Find(id) }

// Granted implements callout.Sessions.
func (f *fixture) Granted(x *session.Session) {
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if !hold {
		f.registry.Add(x)
	}
}

func (f *fixture) endedBy(why sessions.Ending) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.endings[why]
}

// defaults are the settings of most tests: what takes minutes takes less.
func defaults() servers.Config {
	return servers.Config{CheckEvery: 200 * time.Millisecond, AdoptAfter: time.Second}
}

// start starts a server, an usher and a Servers. edit may be nil.
func start(t *testing.T, cfg servers.Config, edit func(*callouttest.ServerConfig, *callouttest.ServiceConfig)) *fixture {
	t.Helper()
	keys := callouttest.NewKeys(t)
	on := callouttest.ServerConfig{Keys: keys, SystemUsers: []string{systemUser()}, AuthUsers: []string{sessionsUser}}
	in := callouttest.ServiceConfig{Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML)}
	if edit != nil {
		edit(&on, &in)
	}
	f := newFixture()
	f.nats = callouttest.StartServer(t, on)
	in.URLs, in.Sessions = f.nats.URL(), f
	f.service = callouttest.StartService(t, in)
	f.connect(t, cfg, f.nats.URL(), nats.UserInfo(sessionsUser, callouttest.Password))
	return f
}

func newFixture() *fixture { return &fixture{endings: map[sessions.Ending]int{}} }

// connect starts a Servers with these credentials, and waits until it is ready.
func (f *fixture) connect(t *testing.T, cfg servers.Config, urls string, opts ...nats.Option) {
	t.Helper()
	cfg.URLs, cfg.Now, cfg.Random, cfg.Log = urls, time.Now, rand.Float64, slog.New(slog.DiscardHandler)
	cfg.Options = append(slices.Clone(cfg.Options), append(opts, nats.CustomInboxPrefix(operator.SessionsInbox))...)
	if cfg.Private == nil {
		cfg.Private = []string{callouttest.CalloutAccount, callouttest.SystemAccount}
	}
	cfg.Refused = func(r servers.Refusal) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.refusals = append(f.refusals, r)
	}
	f.Servers = servers.New(cfg)
	f.registry = sessions.New(f.Observer(), sessions.Observer{Removed: func(_ *session.Session, why sessions.Ending) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.endings[why]++
	}})
	callouttest.Must(t, f.Start(f.registry))
	t.Cleanup(f.Stop)
	callouttest.Eventually(t, "the connection to the system account is ready", func() bool { return f.Ready() == nil })
}

// client connects with a key. It does not reconnect.
func (f *fixture) client(t *testing.T, key string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	return client(t, f.nats.URL(), key, opts...)
}

func client(t *testing.T, url, key string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append([]nats.Option{nats.Token(key), nats.NoReconnect(), callouttest.ConnectTimeout()}, opts...)...)
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// users returns the user of each session, sorted.
func (f *fixture) users() []string {
	var out []string
	for x := range f.registry.All {
		out = append(out, x.Identity.Name)
	}
	slices.Sort(out)
	return out
}

// equal reports whether the registry has exactly the connections of auth callout that the
// servers have.
func (f *fixture) equal(t *testing.T, on ...*server.Server) bool {
	t.Helper()
	want := map[session.ID]bool{}
	for _, srv := range on {
		list, err := srv.Connz(&server.ConnzOptions{Username: true, Limit: 1 << 20})
		callouttest.Must(t, err)
		for _, c := range list.Conns {
			if c.IssuerKey != "" && c.JWT == "" || f.static && c.AuthorizedUser == callouttest.AdminUser {
				want[session.ID{Server: srv.ID(), Client: c.Cid}] = true
			}
		}
	}
	n := 0
	for x := range f.registry.All {
		if !want[x.ID] {
			return false
		}
		n++
	}
	return n == len(want)
}

func (f *fixture) waitEqual(t *testing.T, on ...*server.Server) {
	t.Helper()
	callouttest.Eventually(t, "the registry is equal to the servers' lists of connections", func() bool { return f.equal(t, on...) })
}
