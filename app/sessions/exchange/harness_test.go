package exchange_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/app/sessions/exchange"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/directory"
	"usher/identity"
	"usher/permissions"
	"usher/tokens"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

// heartbeat is shorter than that of usher, so that the tests need not wait.
const heartbeat = 200 * time.Millisecond

// replica is one usher, as far as its sessions go.
type replica struct {
	*exchange.Exchange
	name     string
	registry *sessions.Registry
	moves    *atomic.Int64 // calls of OnMembers
	stopped  bool
}

// testKeys are the secrets of replicas.
type testKeys []string

func (k testKeys) Seal(context.Context) ([]byte, error) { return []byte(k[0]), nil }

func (k testKeys) Open(context.Context) (all [][]byte) {
	for _, key := range k {
		all = append(all, []byte(key))
	}
	return all
}

// sealed is a message as a replica with the keys of the tests sends it.
func sealed(subject, reply string, data []byte) []byte {
	return exchange.Seal([]byte("first"), subject, reply, data)
}

func startServer(tb testing.TB, cfg callouttest.ServerConfig) *callouttest.Server {
	tb.Helper()
	cfg.Keys = callouttest.NewKeys(tb)
	return callouttest.StartServer(tb, cfg)
}

// start starts a replica, which change may configure.
func start(tb testing.TB, name, urls string, change func(*exchange.Config)) *replica {
	tb.Helper()
	r := &replica{name: name, moves: new(atomic.Int64)}
	cfg := exchange.Config{
		URLs: urls, Options: []nats.Option{nats.UserInfo(callouttest.ServiceUser, callouttest.Password), callouttest.ConnectTimeout()},
		Account: callouttest.CalloutAccount, Instance: name, Keys: testKeys{"first"}, Now: time.Now, Heartbeat: heartbeat,
		Log:       slog.New(slog.NewTextHandler(tb.Output(), nil)).With(slog.String("replica", name)),
		OnMembers: func() { r.moves.Add(1) },
	}
	var x *exchange.Exchange
	r.registry = sessions.New(sessions.Observer{Removed: func(s *session.Session, why sessions.Ending) { x.Removed(s, why) }})
	cfg.Registry = r.registry
	if change != nil {
		change(&cfg)
	}
	x, err := exchange.New(cfg)
	callouttest.Must(tb, err)
	r.Exchange = x
	var loaded []*session.Session
	for s := range r.registry.All {
		loaded = append(loaded, s)
	}
	x.Loaded(loaded)
	callouttest.Must(tb, x.Start())
	tb.Cleanup(r.leave)
	return r
}

// startAll starts replicas that know each other.
func startAll(tb testing.TB, urls string, n int) []*replica {
	tb.Helper()
	return startEvery(tb, urls, n, heartbeat)
}

// startEvery is startAll with another interval. A test that needs all replicas to live all
// the time takes one that a slow machine keeps.
func startEvery(tb testing.TB, urls string, n int, interval time.Duration) []*replica {
	tb.Helper()
	var all []*replica
	for i := range n {
		all = append(all, start(tb, fmt.Sprintf("r%d", i), urls, func(c *exchange.Config) { c.Heartbeat = interval }))
	}
	waitMembers(tb, all...)
	return all
}

// leave stops the replica, unless it was killed.
func (r *replica) leave() {
	if !r.stopped {
		r.stopped = true
		r.Stop()
	}
}

func (r *replica) kill() {
	r.stopped = true
	r.Kill()
}

// others returns the complete replicas that this one knows.
func (r *replica) others() (names []string) {
	for _, o := range r.Status().Replicas {
		if o.Complete {
			names = append(names, o.Instance)
		}
	}
	return names
}

// waitMembers waits until these replicas know each other and nobody else.
func waitMembers(tb testing.TB, all ...*replica) {
	tb.Helper()
	for _, r := range all {
		var want []string
		for _, o := range all {
			if o != r {
				want = append(want, o.name)
			}
		}
		slices.Sort(want)
		callouttest.Eventually(tb, r.name+" knows "+fmt.Sprint(want), func() bool {
			return r.Status().Collected && slices.Equal(r.others(), want)
		})
	}
}

// grant adds sessions from one number up to another, as the callout does.
func (r *replica) grant(from, to int) {
	for n := from; n < to; n++ {
		s := connection(n, r.name)
		r.registry.Add(s)
		r.Granted(s)
	}
}

// waitSessions waits until a replica knows the sessions of these numbers and no others.
func (r *replica) waitSessions(tb testing.TB, want map[int]bool) {
	tb.Helper()
	callouttest.Eventually(tb, fmt.Sprintf("%s knows %d sessions", r.name, len(want)), func() bool { return r.registry.Len() == len(want) })
	for s := range r.registry.All {
		if n := number(s.ID); !want[n] || s.RequestID != requestID(n) {
			tb.Fatalf("%s has session %s, request %s", r.name, s.ID, s.RequestID)
		}
	}
}

// numbers returns a set.
func numbers(from, to int) map[int]bool {
	set := map[int]bool{}
	for n := from; n < to; n++ {
		set[n] = true
	}
	return set
}

func id(n int) session.ID {
	return session.ID{Server: fmt.Sprintf("NSERVER%d", n%3), Client: uint64(n)}
}

func number(id session.ID) int { return int(id.Client) }

func requestID(n int) string { return fmt.Sprintf("request-%d", n) }

// connection is a session, of one of 500 users, that a replica has granted.
func connection(n int, instance string) *session.Session {
	user := fmt.Sprintf("user-%d", n%500)
	return &session.Session{
		ID: id(n), ServerName: "nats-" + fmt.Sprint(n%3), RequestID: requestID(n), Instance: instance,
		Identity: identity.Identity{Name: user, Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey, KeyID: "k" + user},
		Verifier: "apikey", Revision: 7, UserNKey: "U" + user, Started: time.Now().UTC(), Decided: time.Now().UTC(), Expires: time.Now().Add(time.Hour).UTC(),
		Addr:   netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}),
		Client: tokens.Client{Name: "worker", Lang: "go", Version: "1.49.0", Kind: "Client", Type: "nats"},
		Grant: permissions.Grant{
			Account: "APP", InboxPrefix: "_INBOX_" + user, ConnectionTypes: []directory.ConnectionType{directory.ConnectionStandard},
			Tags: []string{"key:k" + user, "project:shop"},
			Rules: []permissions.Rule{{
				Side: permissions.Publish, Effect: permissions.Allow, Subject: "shop." + user,
				Origin: permissions.Origin{Source: permissions.SourceACL, Role: "publisher", Project: "shop", Resource: "topic", Name: user},
			}},
		},
	}
}
