package revocation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/sessions/revocation"
	"usher/callout/callouttest"
)

const base = `
users:
  - {name: pia, keys: [{digest: KEY(p1), id: one}, {digest: KEY(p2), id: two}]}
  - {name: carl, keys: [{digest: KEY(c1)}]}
  - {name: bob, keys: [{digest: KEY(b1)}]}
  - {name: eve, keys: [{digest: KEY(e1)}]}
projects:
  - name: shop
    account: APP
    members: [{user: pia, roles: [publisher]}, {user: carl, roles: [consumer]}, {user: bob, roles: [publisher]}]
    topics: [{name: orders, acl: [pia, bob]}, {name: prices, acl: [pia]}]
    subscriptions: [{name: billing, topic: orders, acl: [carl]}]
  - name: far
    account: OTHER
    members: [{user: eve, roles: [project_admin]}]
    topics: [{name: dust, acl: []}]
`

// without returns the base with a part replaced.
func without(t *testing.T, part, replacement string) string {
	t.Helper()
	if strings.Count(base, part) != 1 {
		t.Fatalf("%q is not there once", part)
	}
	return strings.Replace(base, part, replacement, 1)
}

// Each change closes exactly those that it takes something from, and its opposite closes
// nobody.
func TestClosedExactly(t *testing.T) {
	t.Parallel()
	all := []string{"p1.a", "p1.b", "p2", "c1", "b1", "e1"}
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint(replicas), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, replicas, nil)
			for _, c := range []struct {
				name, directory string
				closed          []string
				cause           string
			}{
				{"a key is revoked", without(t, "{digest: KEY(p1), id: one}, ", ""), []string{"p1.a", "p1.b"}, "pia key_unknown: "},
				{"a key is disabled", without(t, "id: two}", "id: two, enabled: false}"), []string{"p2"}, "pia key_disabled: "},
				{"an entry of an ACL is removed", without(t, "{name: prices, acl: [pia]}", "{name: prices, acl: []}"), []string{"p1.a", "p1.b", "p2"}, "pia lost: publish shop.prices"},
				{"an entry of an ACL is moved", without(t, "acl: [pia, bob]", "acl: [pia]"), []string{"b1"}, "bob "},
				{"a member is removed", strings.Replace(without(t, ", {user: bob, roles: [publisher]}]", "]"), "acl: [pia, bob]", "acl: [pia]", 1), []string{"b1"}, "bob "},
				{"a user is disabled", without(t, "{name: carl, ", "{name: carl, enabled: false, "), []string{"c1"}, "carl user_disabled: "},
				{"a project is deleted", base[:strings.Index(base, "  - name: far")], []string{"e1"}, "eve no_role: "},
				{"a project moves to another account", without(t, "account: OTHER", "account: APP"), []string{"e1"}, "eve lost: account OTHER"},
				{"a network is taken away", without(t, "{digest: KEY(c1)}", "{digest: KEY(c1), networks: [192.0.2.0/24]}"), []string{"c1"}, "carl "},
				{"networks with that of the client", without(t, "{digest: KEY(c1)}", "{digest: KEY(c1), networks: [127.0.0.0/8]}"), nil, ""},
				{"a key is replaced, with a grace", without(t, "{digest: KEY(p1), id: one}", "{digest: KEY(p3), id: one}, {digest: KEY(p1), id: one-old, expires: 2099-01-01T00:00:00Z}"), nil, ""},
				{"an entry of an ACL is added", without(t, "{name: prices, acl: [pia]}", "{name: prices, acl: [pia, bob]}"), nil, ""},
				{"a member is added", without(t, "members: [{user: eve,", "members: [{user: bob, roles: [publisher]}, {user: eve,"), nil, ""},
				{"nothing", base, nil, ""},
			} {
				s.connect(t, all...)
				s.set(t, c.directory)
				s.settle(t)
				if got := s.closed(); !slices.Equal(got, sorted(c.closed)) {
					t.Fatalf("%s: closed %v, want %v", c.name, got, c.closed)
				}
				var causes []string // the client sees its end before the engine hears of it
				callouttest.Eventually(t, c.name+": the causes", func() bool {
					causes = append(causes, s.causes()...)
					return len(causes) >= len(c.closed)
				})
				if len(causes) != len(c.closed) || slices.ContainsFunc(causes, func(x string) bool { return !strings.HasPrefix(x, c.cause) }) {
					t.Errorf("%s: %d causes %q, want %q", c.name, len(causes), causes, c.cause)
				}
				s.set(t, base)
				s.settle(t)
				if got := s.closed(); !slices.Equal(got, sorted(c.closed)) {
					t.Fatalf("the opposite of %q: closed %v, want %v", c.name, got, c.closed)
				}
				s.causes()
			}
		})
	}
}

func sorted(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return out
}

// What is gained closes a session if that is asked for.
func TestReconnectOnGain(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2, func(cfg *revocation.Config) { cfg.OnGain.Reconnect = true })
	s.connect(t, "p1", "b1", "e1")
	s.set(t, without(t, "{name: prices, acl: [pia]}", "{name: prices, acl: [pia, bob]}"))
	s.settle(t)
	if got := s.closed(); !slices.Equal(got, []string{"b1"}) {
		t.Errorf("closed %v", got)
	}
	if causes := s.causes(); len(causes) != 1 || !strings.HasPrefix(causes[0], "bob gained: publish shop.prices") {
		t.Errorf("causes %q", causes)
	}
}

// A session that cannot be closed is listed, and closed when its server can be reached.
func TestKickIsRepeated(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, nil)
	s.connect(t, "p1", "p2")
	s.unkicked.Store(true)
	s.set(t, without(t, "{digest: KEY(p1), id: one}, ", ""))
	e := s.replicas[0].engine
	callouttest.Eventually(t, "it is listed", func() bool { return len(e.Status().Unreachable) == 1 })
	if u := e.Status().Unreachable[0]; u.Cause != "key_unknown" || u.Err == nil || u.ID.Server != s.server.ID() {
		t.Errorf("listed %+v", u)
	}
	s.unkicked.Store(false)
	s.settle(t)
	if got := s.closed(); !slices.Equal(got, []string{"p1"}) {
		t.Errorf("closed %v", got)
	}
	callouttest.Eventually(t, "it is counted", func() bool {
		st := e.Status()
		return len(st.Unreachable) == 0 && st.Closed["key_unknown"] == 1
	})
}

// If what was lost comes back before the session is closed, it stays.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1, nil)
	s.connect(t, "p1", "p2")
	s.unkicked.Store(true)
	s.set(t, without(t, "{digest: KEY(p1), id: one}, ", ""))
	callouttest.Eventually(t, "it is listed", func() bool { return len(s.replicas[0].engine.Status().Unreachable) == 1 })
	s.set(t, base)
	s.settle(t)
	s.unkicked.Store(false)
	if got := s.closed(); len(got) > 0 {
		t.Errorf("closed %v", got)
	}
}

// If the replica that is to close a session is gone, another one closes it.
func TestReplicaGone(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2, nil)
	s.connect(t, "p1.a", "p1.b", "p1.c", "p1.d")
	s.unkicked.Store(true)
	s.set(t, without(t, "{digest: KEY(p1), id: one}, ", ""))
	callouttest.Eventually(t, "both have tried", func() bool {
		return len(s.replicas[0].engine.Status().Unreachable) > 0 && len(s.replicas[1].engine.Status().Unreachable) > 0
	})
	s.replicas[0].dead.Store(true)
	s.unkicked.Store(false)
	s.settle(t)
	if got := s.closed(); len(got) != 4 {
		t.Errorf("closed %v", got)
	}
}

// Nobody is closed before the change is in force on all replicas, and whoever was closed
// cannot come back. What a replica grants that is late all the same is closed when it is
// known.
func TestLateReplica(t *testing.T) {
	t.Parallel()
	s := newSite(t, 3, nil)
	s.connect(t, "p2")
	back, err := nats.Connect(s.server.URL(), nats.Token("p1"), nats.MaxReconnects(-1), nats.ReconnectWait(0), nats.ReconnectJitter(0, 0), nats.RetryOnFailedConnect(true),
		nats.IgnoreAuthErrorAbort(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), callouttest.ConnectTimeout())
	must(t, err)
	t.Cleanup(back.Close)
	callouttest.Eventually(t, "the sessions are known", func() bool { return s.replicas[0].registry.Len() == 2 })
	next := without(t, "{digest: KEY(p1), id: one}, ", "")
	s.replicas[0].set(t, next)
	s.replicas[1].set(t, next)
	callouttest.Eventually(t, "it is closed although a replica is late", func() bool { return len(s.causes()) > 0 })
	if log := s.replicas[0].log.String() + s.replicas[1].log.String(); !strings.Contains(log, s.replicas[2].svc.Report().Instance) {
		t.Errorf("the log does not name the replica that is late:\n%s", log)
	}
	s.replicas[2].set(t, next)
	callouttest.Eventually(t, "nobody is left with the key", func() bool {
		return !back.IsConnected() && s.replicas[0].registry.Len() == 1 && !slices.ContainsFunc(s.replicas, func(r *replica) bool { return r.engine.Status().Waiting > 0 })
	})
	if got := s.closed(); len(got) > 0 {
		t.Errorf("closed %v", got)
	}
}
