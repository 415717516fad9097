package permissions_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"usher/directory"
	"usher/directory/given"
	"usher/identity"
	"usher/permissions"
)

// deriveProfile derives the grant of a service that has a profile.
func deriveProfile(tb testing.TB, p *permissions.Policy, profile string, sel identity.Selection) (permissions.Grant, int, error) {
	tb.Helper()
	facts := given.Profile(snapshotOf(tb, testDirectory()), "x509~s", profile, sel.Project)
	id := identity.Identity{Name: "x509~s", ID: "s", Authority: "x509", Method: identity.MethodCertificate, KeyID: "0a1b2c3d4e5f", Selection: sel}
	g, err := p.Derive(id, facts)
	size, _ := p.Size(id, facts)
	return g, size, err
}

func withProfiles(profiles ...permissions.Profile) *permissions.Policy {
	p := newPolicy()
	p.Profiles = profiles
	return p
}

// A service has exactly the subjects of its profile: no inbox, and nothing of others.
func TestProfile(t *testing.T) {
	p := withProfiles(
		permissions.Profile{Name: "streaming", Account: "EVENTS", Publish: []string{"_STAN.>", "_STAN.acks.x", "_INBOX.>"}, Subscribe: []string{"_STAN.>"}},
		permissions.Profile{Name: "reader", Account: "EVENTS", Subscribe: []string{"habitat.event.>", "_INBOX_reader.>"}},
		permissions.Profile{Name: "writer", Account: "OTHER", Publish: []string{"habitat.event.*"}},
		permissions.Profile{Name: "all", Account: "EVENTS", Publish: []string{">"}, Subscribe: []string{">"}},
		permissions.Profile{Name: "callout", Account: "AUTH", Publish: []string{"a"}},
		permissions.Profile{Name: "system", Account: "SYS", Publish: []string{"a"}},
		permissions.Profile{Name: "open", Account: "EVENTS", Publish: []string{"$JS.API.>"}},
		permissions.Profile{Name: "bad", Account: "EVENTS", Subscribe: []string{"a b"}},
	)
	for _, c := range []struct {
		profile, selection, account string
		rules                       string // or
		err                         error
	}{
		{profile: "streaming", account: "EVENTS", rules: "publish allow _INBOX.>, publish allow _STAN.>, subscribe allow _STAN.>"},
		{profile: "streaming", selection: "account=EVENTS", account: "EVENTS", rules: "publish allow _INBOX.>, publish allow _STAN.>, subscribe allow _STAN.>"},
		{profile: "reader", account: "EVENTS", rules: "publish deny >, subscribe allow _INBOX_reader.>, subscribe allow habitat.event.>"},
		{profile: "writer", account: "OTHER", rules: "publish allow habitat.event.*, subscribe deny >"},
		{profile: "all", account: "EVENTS", rules: "publish allow >, publish deny " + auth + ", subscribe allow >, subscribe deny " + auth},
		{profile: "reader", selection: "account=OTHER", err: permissions.ErrNotInAccount},
		{profile: "reader", selection: "project=shop", err: permissions.ErrNotMember},
		{profile: "gone", err: permissions.ErrNoProfile},
		{profile: "gone", selection: "project=shop", err: permissions.ErrNoProfile},
		{profile: "Reader", err: permissions.ErrNoProfile},
		{profile: "callout", err: permissions.ErrInvariant},
		{profile: "system", err: permissions.ErrInvariant},
		{profile: "open", err: permissions.ErrInvariant},
		{profile: "bad", err: permissions.ErrInvariant},
	} {
		g, size, err := deriveProfile(t, p, c.profile, selection(c.selection))
		if !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s %s: %v, want %v", c.profile, c.selection, err, c.err)
		}
		if err != nil {
			continue
		}
		if got := strings.Join(ruleStrings(&g), ", "); got != c.rules || g.Account != c.account || g.InboxPrefix != "" {
			t.Errorf("%s: %s in %s, want %s", c.profile, got, g.Account, c.rules)
		}
		if !slices.Contains(g.Tags, "profile:"+c.profile) || size == 0 || g.Rules[0].Origin.Source == permissions.SourceInbox {
			t.Errorf("%s: %+v, size %d", c.profile, g.Tags, size)
		}
		if p.Connect(&g, "x509~s", identity.Connection{Types: []string{string(directory.ConnectionLeafNode)}}) == nil {
			t.Errorf("%s: granted to a leaf node", c.profile)
		}
	}
}

// Roles in scopes, for users of the directory, do not touch profiles.
func TestProfileWithScopes(t *testing.T) {
	p := withProfiles(permissions.Profile{Name: "reader", Account: "APP", Subscribe: []string{"a"}})
	p.Scoped = []permissions.ScopedRole{{Account: "APP", Role: "publisher"}, {Account: "APP", Role: ""}}
	if g, _, err := deriveProfile(t, p, "reader", identity.Selection{}); err != nil || g.Scope != "" {
		t.Errorf("%+v, %v", g, err)
	}
}

// A profile that is too large for an answer is refused before its grant is built.
func TestProfileTooLarge(t *testing.T) {
	many := make([]string, 40_000)
	for i := range many {
		many[i] = "a." + strings.Repeat("b", 20) + string(rune('a'+i%26)) + strings.Repeat("c", i%9)
	}
	p := withProfiles(permissions.Profile{Name: "large", Account: "APP", Publish: many})
	facts := given.Profile(snapshotOf(t, testDirectory()), "n", "large", "")
	id := identity.Identity{Name: "n", Authority: "x509", Method: identity.MethodCertificate}
	if _, err := p.DeriveWithin(id, facts, permissions.MaxAnswer); !errors.Is(err, permissions.ErrTooLarge) {
		t.Error(err)
	}
}

// FuzzProfile: a subject that CheckSubject accepts gives a grant that Validate accepts and
// that reaches nothing else; one that Validate refuses is refused before.
//
// Attack: a profile of a service in usher.yaml gives more than its subjects
// Held by: every subject is checked against the invariants of grants, and nothing is added to them
func FuzzProfile(f *testing.F) {
	for _, s := range []string{"habitat.event.>", "_INBOX.>", ">", "*", "a.*", "$SYS.>", auth, "$JS.API.>", "$JS.*.x", "*.>", "*.*.*.*", "a b", "", "a..b", "$SYS.REQ.USER.*"} {
		f.Add(s, "a.b")
		f.Add("a.b", s)
	}
	f.Fuzz(func(t *testing.T, publish, subscribe string) {
		accepted := permissions.CheckSubject(permissions.Publish, publish) == nil && permissions.CheckSubject(permissions.Subscribe, subscribe) == nil
		p := withProfiles(permissions.Profile{Name: "p", Account: "EVENTS", Publish: []string{publish}, Subscribe: []string{subscribe}})
		g, _, err := deriveProfile(t, p, "p", identity.Selection{})
		if accepted && err != nil {
			t.Fatalf("%q, %q: accepted, but %v", publish, subscribe, err)
		}
		if err != nil {
			return
		}
		for side, subject := range map[permissions.Side]string{permissions.Publish: publish, permissions.Subscribe: subscribe} {
			if got := g.Subjects(side, permissions.Allow); !slices.Equal(got, []string{subject}) {
				t.Fatalf("%s %q gives %q", side, subject, got)
			}
			if !accepted || oddStar(subject) {
				continue
			}
			if deny := g.Subjects(side, permissions.Deny); server.SubjectsCollide(subject, auth) != (len(deny) > 0) || g.Check(side, auth).Allowed {
				t.Fatalf("%s %q denies %q", side, subject, deny)
			}
		}
	})
}
