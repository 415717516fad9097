package revocation_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/app/sessions"
	"usher/app/sessions/revocation"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
	"usher/tokens"
	"usher/tokens/apikey"
)

// unit is an engine without servers: what it closes is gone at once.
type unit struct {
	t       *testing.T
	snap    atomic.Pointer[snapshot.Snapshot]
	decider *callout.Decider
	engine  *revocation.Engine
	reg     *sessions.Registry
	number  uint64
	mu      sync.Mutex
	closed  []string
	event   chan struct{} // not nil: the registry tells of a removal once this is closed
}

func (u *unit) InForce(context.Context) []string { return nil }
func (u *unit) Mine(session.ID) bool             { return true }
func (u *unit) Live() int                        { return 1 }
func (u *unit) KickAll(_ context.Context, ids []session.ID, _ int) ([]session.ID, error) {
	if u.event != nil {
		for _, id := range ids {
			go u.reg.Remove(id, sessions.Disconnected) // as the event of the server does
		}
		for u.reg.Len() > 0 {
			runtime.Gosched()
		}
		return nil, nil
	}
	for _, id := range ids {
		u.reg.Remove(id, sessions.Disconnected)
	}
	return nil, nil
}

func newUnit(t *testing.T, text string, reconnect bool, scoped ...permissions.ScopedRole) *unit {
	t.Helper()
	policy := *callouttest.Policy()
	policy.Scoped = scoped
	u := &unit{t: t}
	u.snap.Store(callouttest.ParseDirectory(t, callouttest.WithDigests(text)))
	u.decider = &callout.Decider{Chain: tokens.Chain{apikey.NewVerifier(u.snap.Load, time.Now)}, Snapshot: u.snap.Load, Now: time.Now, Ruleset: callout.FixedRuleset(&policy, nil)}
	u.engine = revocation.New(revocation.Config{
		Decider: u.decider, Snapshot: u.snap.Load, Replicas: u, Kicker: u, OnGain: revocation.OnGain{Reconnect: reconnect, Rate: 1000}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Closed: func(c revocation.Closing) {
			u.mu.Lock()
			u.closed = append(u.closed, c.Session.Identity.Name+" "+c.Cause+" "+c.What)
			u.mu.Unlock()
		},
	})
	u.reg = sessions.New(sessions.Observer{Removed: func(*session.Session, sessions.Ending) {
		if u.event != nil {
			<-u.event
		}
	}}, u.engine.Observer())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { u.engine.Run(ctx, u.reg) })
	t.Cleanup(func() { cancel(); running.Wait() })
	u.settle()
	return u
}

func (u *unit) settle() {
	u.t.Helper()
	callouttest.Eventually(u.t, "everything is decided", func() bool {
		st := u.engine.Status()
		return !st.Deciding && st.Waiting == 0
	})
}

// check settles, and checks who was closed: want begins the only line, or is empty.
func (u *unit) check(what, want string) {
	u.t.Helper()
	u.settle()
	u.mu.Lock()
	defer u.mu.Unlock()
	got := strings.Join(u.closed, "; ")
	if u.closed = nil; !strings.HasPrefix(got, want) || want == "" && got != "" {
		u.t.Errorf("%s: closed %q, want %q", what, got, want)
	}
}

func (u *unit) set(text string) {
	u.t.Helper()
	u.snap.Store(callouttest.ParseDirectory(u.t, callouttest.WithDigests(text)))
	u.engine.ChangedAll()
}

func (u *unit) adopt(name, account string, types ...string) {
	u.number++
	s := &session.Session{ID: session.ID{Server: "N", Client: u.number}, Adopted: true, Started: time.Now(), Addr: netip.MustParseAddr("127.0.0.1")}
	s.Identity.Name, s.Grant.Account, s.Grant.Connection.Types = name, account, types
	u.reg.Add(s)
}

func (u *unit) grant(name string, types ...string) {
	u.t.Helper()
	user, _ := u.snap.Load().User(name)
	key := &user.Keys[0]
	id := identity.Identity{Name: name, Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey, KeyID: key.ID, KeyPrint: key.Print()}
	d := u.decider.DecideIdentity(u.snap.Load(), id, permissions.MaxAnswer)
	if d.Outcome != callout.Granted {
		u.t.Fatal(d.Code, d.Cause)
	}
	must(u.t, d.Ruleset.Policy.Connect(&d.Grant, name, identity.Connection{Types: types}))
	u.number++
	u.reg.Add(&session.Session{
		ID: session.ID{Server: "N", Client: u.number}, Identity: id, Grant: d.Grant, Verifier: u.decider.Chain[0].Name(), Digest: key.Digest,
		Started: time.Now(), Addr: netip.MustParseAddr("127.0.0.1"),
	})
}

// A leaf node is closed by a second project in its account, as a bucket announces it.
//
// Attack: a leaf node stays, and reads a project that came into its account later
// Held by: a change of any project is decided about for users with a leaf node
func TestLeafNode(t *testing.T) {
	t.Parallel()
	for _, adopted := range []bool{false, true} {
		u := newUnit(t, `
users: [{name: pia, keys: [{digest: KEY(p1)}], limits: {connection_types: [leafnode, standard]}}]
projects: [{name: shop, account: APP, members: [{user: pia, roles: [project_admin]}]}]
`, false)
		if adopted {
			u.adopt("pia", "APP", "LEAFNODE")
		} else {
			u.grant("pia", "LEAFNODE")
		}
		u.check("nothing", "")
		id := directory.IDOf(directory.KindProject, "second")
		next, _, _ := u.snap.Load().Apply([]directory.Entry{{Key: directory.ProjectKey(id), Value: &directory.Project{Name: "second", Account: "APP"}}})
		u.snap.Store(next)
		u.engine.Changed()
		u.check("a second project", "pia l")
	}
}

// The answer of a server can come while the registry has removed the session and the engine
// does not know it yet. The closed session is recorded once.
func TestAnswerBeforeEvent(t *testing.T) {
	t.Parallel()
	const text = "users: [{name: pia, keys: [{digest: KEY(p1)}]}]\nprojects: [{name: shop, account: APP, members: [{user: pia, roles: [project_admin]}]}]\n"
	synctest.Test(t, func(t *testing.T) {
		u := newUnit(t, text, false)
		u.grant("pia")
		u.event = make(chan struct{})
		u.set(strings.Replace(text, "name: pia", "enabled: false, name: pia", 1))
		synctest.Wait()
		close(u.event)
		synctest.Wait()
		u.check("a user is disabled", "pia user_disabled") // and nothing waits, so it is recorded once
	})
}

const twoAccounts = `
users: [{name: pia, keys: [{digest: KEY(p1)}]}, {name: bob, keys: [{digest: KEY(b1)}]}]
projects:
  - {name: shop, account: APP, members: [{user: pia, roles: [project_admin]}]}
  - {name: more, account: APP, members: [{user: pia, roles: [project_admin]}]}
  - {name: far, account: OTHER, members: [{user: pia, roles: [project_admin]}]}
`

// An adopted session is decided by what its user gets in its account now.
func TestAdopted(t *testing.T) {
	t.Parallel()
	u := newUnit(t, twoAccounts, false)
	u.adopt("pia", "APP")
	u.check("roles in two accounts", "")
	u.set(strings.Replace(twoAccounts, "name: more, account: APP, members: [{user: pia, roles: [project_admin]}]", "name: more, account: APP", 1))
	u.check("less in one of two accounts", "pia lost")
	u.adopt("gone", "APP")
	u.check("the user was deleted before", "gone user_unknown")
	u.adopt("bob", "APP")
	u.check("no role in that account", "bob not_in_account")
	u.adopt("oidc~1", "APP")
	u.check("no rules of identities", "oidc~1 authority_not_configured")
	u.adopt("gone", "")
	u.check("an account that is not known", "")
	if n := u.engine.Status().Undecided; n != 1 {
		t.Errorf("%d are not decided, want 1", n)
	}
}

// A session that cannot be decided is counted, and later compared with what was known at first.
func TestUndecided(t *testing.T) {
	t.Parallel()
	u := newUnit(t, twoAccounts, false)
	u.adopt("pia", "APP")
	u.check("nothing", "")
	pia, _ := u.snap.Load().User("pia")
	apply := func(v directory.Value) {
		next, _, _ := u.snap.Load().Apply([]directory.Entry{{Key: directory.MemberKey(directory.IDOf(directory.KindProject, "more"), pia.ID), Value: v}})
		u.snap.Store(next)
		u.engine.Changed("pia")
	}
	apply(&directory.Unreadable{})
	u.check("unreadable", "")
	if n := u.engine.Status().Undecided; n != 1 {
		t.Errorf("%d are not decided, want 1", n)
	}
	apply(nil)
	u.check("removed", "pia lost")
	if n := u.engine.Status().Undecided; n != 0 {
		t.Errorf("%d are not decided, want 0", n)
	}
}

const scopedRoles = `
users: [{name: pia, keys: [{digest: KEY(p1)}]}]
projects:
  - {name: shop, account: APP, members: [{user: pia, roles: [publisher]}]}
  - {name: evil, account: APP}
`

// Whoever is added to a project keeps the session, also with scoped signing keys.
func TestAddedWithScope(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"publisher", "consumer"} {
		u := newUnit(t, scopedRoles, false, permissions.ScopedRole{Account: "APP", Role: "publisher"})
		u.grant("pia", "STANDARD")
		added := strings.Replace(scopedRoles, "name: evil, account: APP", "name: evil, account: APP, members: [{user: pia, roles: ["+role+"]}]", 1)
		u.set(added)
		u.check("added as "+role, "")
		u.set(strings.Replace(added, "name: shop, account: APP, members: [{user: pia, roles: [publisher]}]", "name: shop, account: APP", 1))
		u.check("removed from shop", "pia ")
		if u.reg.Len() > 0 {
			t.Errorf("added as %s: the session stays although its role is gone", role)
		}
	}
}

// A user's sessions are closed for gains at most once a minute.
func TestGainsAreBounded(t *testing.T) {
	t.Parallel()
	u := newUnit(t, scopedRoles, true)
	added := strings.Replace(scopedRoles, "name: evil, account: APP", "name: evil, account: APP, members: [{user: pia, roles: [project_admin]}]", 1)
	for i, want := range []string{"pia gained", "", ""} {
		u.set(scopedRoles)
		u.settle()
		u.grant("pia", "STANDARD")
		u.check("granted", "")
		u.set(added)
		u.check("gained", want)
		if i > 0 && u.reg.Len() == 0 {
			t.Error("closed again")
		}
		u.set(scopedRoles)
		u.settle()
	}
}

// Attack: a grant is made too large for any answer, so that a loss cannot be decided
// Held by: sessions are decided again without a limit on the size
func TestTooLarge(t *testing.T) {
	t.Parallel()
	u := newUnit(t, twoAccounts, false)
	u.adopt("pia", "APP")
	u.check("nothing", "")
	var b strings.Builder
	b.WriteString("users: [{name: pia, keys: [{digest: KEY(p1)}]}]\nprojects:\n- name: shop\n  account: APP\n  members: [{user: pia, roles: [publisher]}]\n  topics:\n")
	for i := range 9000 {
		fmt.Fprintf(&b, "  - {name: %s%d, acl: [pia]}\n", strings.Repeat("x", 90), i)
	}
	u.set(b.String())
	u.check("lost much, and large", "pia lost")
}

// Attack: a removed key stays alive because an entry of another user cannot be read
// Held by: only the entry of the key itself makes it uncertain
func TestUnreadableOfAnother(t *testing.T) {
	t.Parallel()
	u := newUnit(t, base, false)
	u.grant("carl", "STANDARD")
	u.grant("pia", "STANDARD")
	carl, _ := u.snap.Load().User("carl")
	pia, _ := u.snap.Load().User("pia")
	next, _, _ := u.snap.Load().Apply([]directory.Entry{
		{Key: directory.KeyKey(carl.ID, carl.Keys[0].ID), Value: &directory.Unreadable{}}, {Key: directory.KeyKey(pia.ID, pia.Keys[0].ID)},
	})
	u.snap.Store(next)
	u.engine.ChangedAll()
	u.check("removed, and another unreadable", "pia key_unknown")
	if u.reg.Len() != 1 || u.engine.Status().Undecided != 1 {
		t.Errorf("%d sessions, %+v; want that of carl, undecided", u.reg.Len(), u.engine.Status())
	}
}
