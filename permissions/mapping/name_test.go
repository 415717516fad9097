package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"usher/directory"
	"usher/identity"
	"usher/permissions"
	"usher/permissions/mapping"
)

func TestName(t *testing.T) {
	long := strings.Repeat("x", 94)
	for _, c := range []struct{ authority, id, want string }{
		{"github", "me", "github~me"},
		{"github", "repo:acme/shop:ref:refs/heads/main", "github~repo%3Aacme%2Fshop%3Aref%3Arefs%2Fheads%2Fmain"},
		{"github", "a~b%c", "github~a%7Eb%25c"},
		{"github", "ä\x00\xff", "github~%C3%A4%00%FF"},
		{"anonymous", "", "anonymous~"},
		{"ca", "project=shop,account=APP", "ca~project%3Dshop%2Caccount%3DAPP"},
		{"github", long[1:], "github~" + long[1:]},
		{"github", long, "github~~"},
		{strings.Repeat("a", 90), "b", strings.Repeat("a", 90) + "~b"},
		{strings.Repeat("a", 98), "b", strings.Repeat("a", 98) + "~b"},
		{strings.Repeat("a", 99), "b", strings.Repeat("a", 40) + "~~"},
	} {
		got := mapping.Name(identity.Authority(c.authority), c.id)
		if begin, digest, long := strings.Cut(got, "~~"); long && len(digest) == 43 {
			got = begin + "~~"
		}
		if got != c.want {
			t.Errorf("%s, %q: got %q, want %q", c.authority, c.id, got, c.want)
		}
	}
}

// FuzzName: two identities have two names, each is one token, and neither an inbox, an
// MQTT client id nor the name of a user JWT of one can be that of the other or of a user.
func FuzzName(f *testing.F) {
	f.Add("github", "me", "github", "Me")
	f.Add("github", "a", "github~a", "")
	f.Add("github", "a", "github", "a:b")
	f.Add("a", "~b", "a~", "b")
	f.Add("a", "b%41", "a", "bA")
	f.Add("a", strings.Repeat(":", 40), "a", strings.Repeat(":", 41))
	f.Add("a", strings.Repeat("x", 200), "ax", strings.Repeat("x", 199))
	f.Add(strings.Repeat("a", 200), "b", strings.Repeat("a", 201), "")
	f.Add("a", "\xff", "a", "\ufffd")
	f.Fuzz(func(t *testing.T, authority1, id1, authority2, id2 string) {
		name := mapping.Name(identity.Authority(authority1), id1)
		other := mapping.Name(identity.Authority(authority2), id2)
		if (name == other) != (authority1 == authority2 && id1 == id2) {
			t.Errorf("%q %q is %q, %q %q is %q", authority1, id1, name, authority2, id2, other)
		}
		if len(name) > 100 || strings.ContainsAny(name, " \t\r\n\x00.*>{}:,=/\\$`'\"()&|;<!#") || !permissions.ValidSubject(name) {
			t.Errorf("%q", name)
		}
		if authority1 != "" && (name[0] == '~' || name[0] == '_' && authority1[0] != '_') {
			t.Errorf("%q begins with a character of shells or NATS", name)
		}
		if directory.CheckName(name) == nil {
			t.Errorf("%q is the name of a user", name)
		}
		g := permissions.Grant{Scope: "publisher"}
		if err := permissions.ValidateName(&g, name); err != nil {
			t.Error(err)
		}
		jwt := permissions.JWTName(identity.Identity{Name: name, Selection: identity.Selection{Project: "p"}}, "")
		if first, _, _ := strings.Cut(jwt, ","); first != name {
			t.Errorf("user JWT %q", jwt)
		}
	})
}

func ExampleName() {
	fmt.Println(mapping.Name("github", "repo:acme/shop:ref:refs/heads/main"))
	// Output: github~repo%3Aacme%2Fshop%3Aref%3Arefs%2Fheads%2Fmain
}
