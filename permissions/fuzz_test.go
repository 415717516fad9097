package permissions_test

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
)

// FuzzDerive: a grant contains exactly the permissions in the directory, for any directory.
func FuzzDerive(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{0, 0, 0, 0, 3, 0, 255, 0, 63, 1, 2, 4, 7, 1, 2, 63, 2, 3, 4, 5, 6, 7, 8, 9, 15, 255, 255})
	f.Add([]byte("\x00\x01\x02\x03\x00\x01\xff\x01\xff\x07\x07\x07\x07\x07\x07\xff\x01\x01\x02\x01\x03\x01\x04\x01\x05\x01\x06\x01\x07\x01"))
	f.Add([]byte(strings.Repeat("\x03\xff\x01\x07\x02\x0f", 40)))
	f.Add([]byte(strings.Repeat("\xff\x00\x3f\x02\x05\x01\x00\xff", 60)))
	f.Fuzz(func(t *testing.T, data []byte) { checkDerive(t, data) })
}

// TestDeriveRandom runs the same check on random directories, of which enough are valid
// and not empty.
func TestDeriveRandom(t *testing.T) {
	random, granted := rand.NewChaCha8([32]byte{1}), 0
	for range 60 {
		data := make([]byte, 160)
		if _, err := random.Read(data); err != nil {
			t.Fatal(err)
		}
		granted += checkDerive(t, data)
	}
	if granted < 100 {
		t.Errorf("only %d grants in 60 directories", granted)
	}
}

// checkDerive compares every grant of a directory with the expected one, and returns the
// number of grants.
func checkDerive(t *testing.T, data []byte) (granted int) {
	t.Helper()
	records, p := build(data)
	raw, _ := build(data)
	s, err := snapshot.New(records)
	if err != nil {
		return 0 // an invalid directory grants nothing
	}
	selections := []string{"", "account=APP", "account=OTHER", "project=" + fuzzProjects[0], "project=NEXT", "project=none"}
	for _, name := range fuzzUsers {
		for _, sel := range selections {
			g, err := derive(t, p, s, name, selection(sel))
			want := expectedFor(&raw, p, name, selection(sel))
			if len(want.accounts) != 1 || len(want.scopes) > 1 {
				if err == nil {
					t.Fatalf("%s %s: granted %s, want accounts %v, scopes %v", name, sel, g.Account, want.accounts, want.scopes)
				}
				continue
			}
			if err != nil || !want.accounts[g.Account] {
				t.Fatalf("%s %s: %v in %s, want %v", name, sel, err, g.Account, want.accounts)
			}
			granted++
			if !want.scopes[g.Scope] {
				t.Fatalf("%s %s: scope %q, want %v", name, sel, g.Scope, want.scopes)
			}
			if g.Scope == "" {
				compare(t, name+" "+sel, &g, want)
			} else {
				compareScoped(t, name, &g)
			}
			if again, _ := derive(t, p, s, name, selection(sel)); !reflect.DeepEqual(g, again) {
				t.Fatalf("%s %s: two calls differ", name, sel)
			}
		}
	}
	return granted
}

func compare(t *testing.T, who string, g *permissions.Grant, want expected) {
	t.Helper()
	for side, subjects := range map[permissions.Side][]string{permissions.Publish: want.pub, permissions.Subscribe: want.sub} {
		if !slices.IsSorted(ruleStrings(g)) {
			t.Fatalf("%s: not sorted", who)
		}
		allow, deny := g.Subjects(side, permissions.Allow), g.Subjects(side, permissions.Deny)
		if len(allow)+len(deny) == 0 {
			t.Fatalf("%s: no rule for the %s side", who, side)
		}
		allows, denies, expects := matcher(t, allow), matcher(t, deny), matcher(t, subjects)
		for _, probe := range fuzzProbes {
			granted, want := allows(probe) && !denies(probe), expects(probe) && probe != auth
			if granted != want {
				t.Fatalf("%s: %s %s is %v, want %v", who, side, probe, granted, want)
			}
			if g.Check(side, probe).Allowed != granted {
				t.Fatalf("%s: Check disagrees on %s %s", who, side, probe)
			}
		}
		// No granted wildcard matches more than an expected one.
		for _, s := range allow {
			if !slices.ContainsFunc(subjects, func(w string) bool { return server.SubjectMatchesFilter(s, w) }) {
				t.Fatalf("%s: %s %s is not expected", who, side, s)
			}
		}
	}
}

// compareScoped checks that a grant with a scope has no rules or limits, and that the
// template gets single tokens.
func compareScoped(t *testing.T, name string, g *permissions.Grant) {
	t.Helper()
	if len(g.Rules) > 0 || len(g.ConnectionTypes) > 0 || len(g.Networks) > 0 {
		t.Fatalf("%s: has %+v with scope %s", name, g, g.Scope)
	}
	values := []string{name}
	for _, tag := range g.Tags {
		_, value, _ := strings.Cut(tag, ":")
		values = append(values, value)
	}
	for _, v := range values {
		if filled := strings.ReplaceAll("a.{{x}}.b", "{{x}}", v); !server.IsValidLiteralSubject(filled) || strings.Count(filled, ".") != 2 {
			t.Fatalf("%s: a template makes %q of %q", name, filled, v)
		}
	}
}

// FuzzScoped: an identity with a scope is denied, or its name and key id are single
// tokens; a granted name is also valid when the user JWT is issued.
func FuzzScoped(f *testing.F) {
	for _, s := range [][2]string{
		{"pia", "laptop"},
		{"*", "laptop"},
		{">", ""},
		{"a.b", "c"},
		{"", "x"},
		{"Pia", "Key_1"},
		{"pia", "a b"},
		{"{{tag(project)}}", "x"},
		{"pia", "{{name()}}"},
		{"pia", "x:y"},
		{"pia", ":"},
		{"p\u00efa", "\u00a0"},
		{"\xff", "\x00"},
		{"pia", ">"},
		{"}}", "{{"},
		{"pia\r\n", "x"},
		{"*a", "a*"},
	} {
		f.Add(s[0], s[1])
	}
	s := snapshotOf(f, testDirectory())
	facts, _ := s.Facts("pia", "")
	p := newPolicy()
	p.Scoped = []permissions.ScopedRole{{Account: "APP", Role: "publisher"}}
	f.Fuzz(func(t *testing.T, name, keyID string) {
		id := identityOf(name, identity.Selection{})
		id.KeyID = keyID
		g, err := p.Derive(id, facts)
		if err != nil {
			if !errors.Is(err, permissions.ErrNotOneToken) || errors.Is(err, permissions.ErrInvariant) {
				t.Fatalf("%q, key %q: %v", name, keyID, err)
			}
			return
		}
		if g.Scope != "publisher" || p.Validate(&g) != nil || permissions.ValidateName(&g, name) != nil {
			t.Fatalf("%q, key %q: %+v", name, keyID, g)
		}
		compareScoped(t, name, &g)
	})
}

// FuzzSubjects: this package and nats-server agree on subjects.
func FuzzSubjects(f *testing.F) {
	for _, pair := range [][2]string{
		{"a.b", "a.b"},
		{"a.*", "a.b"},
		{"a.>", "a.b.c"},
		{">", "*"},
		{"*.b.>", "a.*.c"},
		{"a.>", "a"},
		{"*", ">"},
		{"a.*", "a.>"},
		{"a*.b", "a.b>"},
		{"*.*.*.*", auth},
		{"a\u00a0b", "a"},
		{"", "."},
		{"a..b", ">.a"},
		{"\xff", "\ufffd"},
		{"*.>", "*"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, s := range []string{a, b} {
			if permissions.ValidSubject(s) && !server.IsValidSubject(s) {
				t.Fatalf("%q is a subject here, but not for nats-server", s)
			}
			if permissions.ValidSubject(s) && len(strings.Fields(s)) != 1 {
				t.Fatalf("nats-server splits %q", s)
			}
			if permissions.HasWildcard(s) && server.IsValidLiteralSubject(s) {
				t.Fatalf("%q has a wildcard here, but not for nats-server", s)
			}
		}
		if !permissions.ValidSubject(a) || !permissions.ValidSubject(b) || oddStar(a) || oddStar(b) {
			return
		}
		if got, want := permissions.Overlaps(a, b), server.SubjectsCollide(a, b); got != want {
			t.Fatalf("Overlaps(%q, %q) is %v, nats-server says %v", a, b, got, want)
		}
		if permissions.Overlaps(a, b) != permissions.Overlaps(b, a) {
			t.Fatalf("Overlaps(%q, %q) depends on the order", a, b)
		}
		if got, want := permissions.Covers(a, b), server.SubjectMatchesFilter(b, a); got != want {
			t.Fatalf("Covers(%q, %q) is %v, nats-server says %v", a, b, got, want)
		}
		if !permissions.HasWildcard(b) && permissions.Covers(a, b) != matcher(t, []string{a})(b) {
			t.Fatalf("Covers(%q, %q) disagrees with delivery", a, b)
		}
		if permissions.Covers(a, b) && !permissions.Overlaps(a, b) {
			t.Fatalf("Covers(%q, %q) without Overlaps", a, b)
		}
	})
}

// oddStar reports a token such as "*a": nats-server's SubjectsCollide treats it as a
// wildcard because of its first character, but message delivery does not.
func oddStar(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if len(token) > 1 && (token[0] == '*' || token[0] == '>') {
			return true
		}
	}
	return false
}
