package permissions_test

import (
	"net/netip"
	"strings"
	"testing"

	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

// grantOf makes a grant of rules such as "+p a.b" or "-s a.>": allow or deny, side, subject.
func grantOf(rules ...string) *permissions.Grant {
	g := &permissions.Grant{Account: "APP", ConnectionTypes: []directory.ConnectionType{directory.ConnectionStandard}}
	for _, text := range rules {
		r := permissions.Rule{Side: permissions.Publish, Effect: permissions.Allow, Subject: text[3:]}
		if text[0] == '-' {
			r.Effect = permissions.Deny
		}
		if text[1] == 's' {
			r.Side = permissions.Subscribe
		}
		g.Rules = append(g.Rules, r)
	}
	return g
}

func TestLost(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after []string
		want          string // empty: nothing is lost
	}{
		{"the same", []string{"+p a.b", "-s >"}, []string{"+p a.b", "-s >"}, ""},
		{"one more", []string{"+p a"}, []string{"+p a", "+p b", "+s b"}, ""},
		{"one less", []string{"+p a", "+p b"}, []string{"+p a"}, "publish b"},
		{"the other side", []string{"+p a"}, []string{"+s a"}, "publish a"},
		{"under a wildcard", []string{"+p a.b", "+p a.c.d"}, []string{"+p a.>"}, ""},
		{"narrower", []string{"+p a.*"}, []string{"+p a.b", "+p a.c"}, "publish a.*"},
		{"an open tail in two parts", []string{"+s a.>"}, []string{"+s a.*", "+s a.*.>"}, ""},
		{"an open tail in parts, one missing", []string{"+s a.>"}, []string{"+s a.*", "+s a.*.*.>"}, "subscribe a.*.*"},
		{"everything in two parts", []string{"+p >"}, []string{"+p *", "+p *.>"}, ""},
		{"a new denial", []string{"+p a.>"}, []string{"+p a.>", "-p a.b"}, "publish a.b"},
		{"a new denial of something else", []string{"+p a.>"}, []string{"+p a.>", "-p b"}, ""},
		{"a denial of what was denied", []string{"+p a.>", "-p a.*"}, []string{"+p a.>", "-p a.b"}, ""},
		{"a wider denial", []string{"+p a.>", "-p a.b"}, []string{"+p a.>", "-p a.*"}, "publish a.*"},
		{"no longer allowed, but never admitted", []string{"+p a.b", "+p c", "-p a.*"}, []string{"+p c"}, ""},
		{"a denial below a subscription that ends in a star", []string{"+s a.*"}, []string{"+s a.*", "-s a.b.c"}, "subscribe a.b.c"},
		{"the same on the publish side", []string{"+p a.*"}, []string{"+p a.*", "-p a.b.c"}, ""},
	} {
		what, lost := permissions.Lost(grantOf(c.before...), grantOf(c.after...))
		if what != c.want || lost != (c.want != "") {
			t.Errorf("%s: lost %v, %q; want %q", c.name, lost, what, c.want)
		}
		back, gained := permissions.Gained(grantOf(c.after...), grantOf(c.before...))
		if back != what || gained != lost {
			t.Errorf("%s: gained %v, %q the other way; want %q", c.name, gained, back, c.want)
		}
	}
}

func TestLostBesideSubjects(t *testing.T) {
	nets := func(texts ...string) (out []netip.Prefix) {
		for _, text := range texts {
			out = append(out, netip.MustParsePrefix(text))
		}
		return out
	}
	both := []directory.ConnectionType{directory.ConnectionStandard, directory.ConnectionWebSocket}
	type change = func(g *permissions.Grant)
	for _, c := range []struct {
		name          string
		before, after change
		want          string
	}{
		{"account", func(*permissions.Grant) {}, func(g *permissions.Grant) { g.Account = "LAB" }, "account APP"},
		{"a scope", func(*permissions.Grant) {}, func(g *permissions.Grant) { g.Scope = "x" }, "permissions outside of scope x"},
		{"no scope", func(g *permissions.Grant) { g.Scope = "x" }, func(*permissions.Grant) {}, "scope x"},
		{
			"tags of a template", func(g *permissions.Grant) { g.Scope, g.Tags = "x", []string{"project:a", "project:b"} },
			func(g *permissions.Grant) { g.Scope, g.Tags = "x", []string{"project:a"} }, "tag project:b of the template of scope x",
		},
		{
			"more tags of a template", func(g *permissions.Grant) { g.Scope, g.Tags = "x", []string{"project:a"} },
			func(g *permissions.Grant) { g.Scope, g.Tags = "x", []string{"project:b", "project:a"} }, "",
		},
		{"tags without a template", func(g *permissions.Grant) { g.Tags = []string{"project:a"} }, func(*permissions.Grant) {}, ""},
		{"a network", func(*permissions.Grant) {}, func(g *permissions.Grant) { g.Networks = nets("10.0.0.0/8") }, "network 0.0.0.0/0"},
		{"no network", func(g *permissions.Grant) { g.Networks = nets("10.0.0.0/8") }, func(*permissions.Grant) {}, ""},
		{"networks in two parts", func(g *permissions.Grant) { g.Networks = nets("10.0.0.0/8") }, func(g *permissions.Grant) { g.Networks = nets("10.0.0.0/9", "10.128.0.0/9") }, ""},
		{"networks with a gap", func(g *permissions.Grant) { g.Networks = nets("10.0.0.0/8") }, func(g *permissions.Grant) { g.Networks = nets("10.0.0.0/9", "10.128.0.0/10") }, "network 10.0.0.0/8"},
		{"everywhere in parts", func(*permissions.Grant) {}, func(g *permissions.Grant) { g.Networks = nets("0.0.0.0/0", "::/1", "8000::/1") }, ""},
		{
			"the type in use", func(g *permissions.Grant) {
				g.ConnectionTypes, g.Connection = both, identity.Connection{Types: []string{"WEBSOCKET"}}
			}, func(*permissions.Grant) {}, "connection type WEBSOCKET",
		},
		{
			"another type", func(g *permissions.Grant) {
				g.ConnectionTypes, g.Connection = both, identity.Connection{Types: []string{"STANDARD"}}
			}, func(*permissions.Grant) {}, "",
		},
		{"any type, without a connection", func(g *permissions.Grant) { g.ConnectionTypes = both }, func(*permissions.Grant) {}, "connection type WEBSOCKET"},
	} {
		before, after := grantOf(), grantOf()
		c.before(before)
		c.after(after)
		if what, lost := permissions.Lost(before, after); what != c.want || lost != (c.want != "") {
			t.Errorf("%s: lost %v, %q; want %q", c.name, lost, what, c.want)
		}
	}
}

// FuzzLost: over a small alphabet of subjects Lost finds a loss exactly where Check does.
func FuzzLost(f *testing.F) {
	f.Add([]byte{0, 1, 2, 255, 0, 1, 2})
	f.Add([]byte{8, 16, 255, 9, 17, 25})
	f.Add([]byte{2, 3, 255, 2, 40, 41, 42})
	f.Add([]byte("\x00\x05\x0a\x0f\x14\xff\x00\x05\x0a\x0f"))
	f.Add([]byte("\x60\x61\x62\x63\xff\x64\x65\x66\x67"))
	// The probes have a token that no rule names, and one token more than the longest rule.
	patterns := lostPatterns(3, true, "a", "b", "*")
	probes := lostPatterns(4, true, "a", "b", "z", "*")
	literals := lostPatterns(4, false, "a", "b", "z")
	f.Fuzz(func(t *testing.T, data []byte) {
		before, after := &permissions.Grant{Account: "APP"}, &permissions.Grant{Account: "APP"}
		g := before
		for i := 0; i+1 < len(data) && i < 24; i += 2 {
			if data[i] == 255 {
				g = after
				i--
				continue
			}
			r := permissions.Rule{Side: permissions.Sides()[data[i]%2], Effect: permissions.Allow, Subject: patterns[int(data[i+1])%len(patterns)]}
			if data[i]%8 >= 5 {
				r.Effect = permissions.Deny
			}
			g.Rules = append(g.Rules, r)
		}
		what, lost := permissions.Lost(before, after)
		if witness := lossByCheck(before, after, probes, literals); lost != (witness != "") {
			t.Fatalf("lost is %v (%s), Check finds %q\nold %v\nnew %v", lost, what, witness, ruleStrings(before), ruleStrings(after))
		}
	})
}

// lostPatterns returns all subjects of up to length tokens of an alphabet; open: also those
// that end in ">".
func lostPatterns(length int, open bool, alphabet ...string) []string {
	level, out := []string{""}, []string(nil)
	for range length {
		var next []string
		for _, head := range level {
			for _, token := range alphabet {
				next = append(next, head+token+".")
				out = append(out, head+token)
			}
			if open {
				out = append(out, head+">")
			}
		}
		level = next
	}
	return out
}

// lossByCheck returns something that before admits and after does not; empty: there is nothing.
func lossByCheck(before, after *permissions.Grant, probes, literals []string) string {
	for _, subject := range literals {
		if before.Check(permissions.Publish, subject).Allowed && !after.Check(permissions.Publish, subject).Allowed {
			return "publish " + subject
		}
	}
	denied := func(g *permissions.Grant, subject string) bool {
		v := g.Check(permissions.Subscribe, subject)
		return !v.Allowed && v.Rule != nil
	}
	var withheld []string
	for _, subject := range literals {
		if denied(after, subject) && !denied(before, subject) {
			withheld = append(withheld, subject)
		}
	}
	for _, sub := range probes {
		if !before.Check(permissions.Subscribe, sub).Allowed {
			continue
		}
		if !after.Check(permissions.Subscribe, sub).Allowed {
			return "subscribe " + sub
		}
		for _, subject := range withheld {
			if permissions.Covers(sub, subject) {
				return "subscribe " + sub + ", which delivered " + subject
			}
		}
	}
	return ""
}

// Every grant that a directory gives is compared with itself as nothing lost, and a role that
// is taken away as a loss.
func TestLostDerived(t *testing.T) {
	p, records := newPolicy(), testDirectory()
	s := snapshotOf(t, records)
	g, err := derive(t, p, s, "bob", identity.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if what, lost := permissions.Lost(&g, &g); lost {
		t.Errorf("lost %s to itself", what)
	}
	less := testDirectory()
	less.Projects[0].Topics[1].ACL = []string{"pia"}
	after, err := derive(t, p, snapshotOf(t, less), "bob", identity.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if what, lost := permissions.Lost(&g, &after); !lost || !strings.HasPrefix(what, "publish ") {
		t.Errorf("an entry of an ACL was removed: lost %v, %q", lost, what)
	}
	if what, lost := permissions.Lost(&after, &g); lost {
		t.Errorf("an entry of an ACL was added: lost %s", what)
	}
}
