package callout_test

import (
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
	"usher/permissions/mapping"
	"usher/tokens"
)

// oidcVerifier verifies every credential as the identity that its token names, in clear or
// in hexadecimal: log and audit hide what is part of the token. Verify may replace the directory, as changes do while a verifier waits.
type oidcVerifier struct{ waits func() }

func (oidcVerifier) Name() string { return "oidc" }

func (v oidcVerifier) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	if v.waits != nil {
		v.waits()
	}
	id := c.Token()
	if text, err := hex.DecodeString(id); err == nil {
		id = string(text)
	}
	sel, err := c.Selection()
	return identity.Identity{
		ID: id, Authority: "github", Method: identity.MethodOIDC, Selection: sel,
		Attributes: identity.Attributes{"claims": map[string]any{"sub": id}},
	}, err
}

func mappingRules(t *testing.T, match string, rules ...mapping.Rule) *mapping.Rules {
	t.Helper()
	r, problems := mapping.New(mapping.Config{Match: match, Rules: rules})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return r
}

// globRule is a rule for the identities whose id matches a pattern.
func globRule(name, pattern string, gives mapping.Rule) mapping.Rule {
	gives.Name, gives.When = name, []mapping.Condition{{Fact: "id", Glob: pattern}}
	return gives
}

func identityRules(t *testing.T) *mapping.Rules {
	t.Helper()
	role := func(project string, r directory.Role, names ...string) mapping.Role {
		out := mapping.Role{Project: project, Role: r}
		switch r {
		case directory.RolePublisher:
			out.Topics = names
		case directory.RoleConsumer:
			out.Subscriptions = names
		case directory.RoleProjectAdmin:
		}
		return out
	}
	project := mapping.Rule{Name: "project", When: []mapping.Condition{{Fact: "id", Regexp: "^project:(?P<p>.*)$"}}, Roles: []mapping.Role{role("{p}", directory.RoleProjectAdmin)}}
	user := mapping.Rule{Name: "user", When: []mapping.Condition{{Fact: "id", Regexp: "^user:(?P<u>.*)$"}}, User: "{u}"}
	return mappingRules(t, mapping.MatchFirst,
		user, project,
		globRule("pub", "pub*", mapping.Rule{Roles: []mapping.Role{role("shop", directory.RolePublisher, "returns")}}),
		globRule("all", "all*", mapping.Rule{Roles: []mapping.Role{role("shop", directory.RolePublisher, "*"), role("lab", directory.RoleConsumer, "*")}}),
		globRule("both", "both*", mapping.Rule{Roles: []mapping.Role{role("shop", directory.RolePublisher, "orders"), role("far", directory.RolePublisher, "orders"), role("gone", directory.RoleProjectAdmin)}}),
		globRule("ingest", "ingest*", mapping.Rule{Ingest: true}),
	)
}

func TestDecideMapped(t *testing.T) {
	current := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	d := &callout.Decider{
		Chain: tokens.Chain{oidcVerifier{}}, Snapshot: func() *snapshot.Snapshot { return current }, Ruleset: callout.FixedRuleset(callouttest.Policy(), identityRules(t)),
	}
	for _, c := range []struct {
		user, token string
		code        string
		name, rule  string
		account     string
		publish     string // some subject of the grant
		denied      string // and one that is not
	}{
		{"", "stranger", callout.CodeNoIdentityRule, "", "", "", "", ""},
		{"", "pub:1", callout.CodeGranted, "github~pub%3A1", "pub", "APP", "shop.returns", "shop.orders"},
		{"project=shop", "pub:1", callout.CodeGranted, "github~pub%3A1", "pub", "APP", "shop.returns", "shop.orders"},
		{"project=lab", "pub:1", callout.CodeNotMember, "github~pub%3A1", "pub", "", "", ""},
		{"account=OTHER", "pub:1", callout.CodeNotInAccount, "github~pub%3A1", "pub", "", "", ""},
		{"", "all", callout.CodeGranted, "github~all", "all", "APP", "shop.market.prices", "lab.results"},
		{"", "all", callout.CodeGranted, "github~all", "all", "APP", "$JS.API.CONSUMER.INFO.lab.reader", "$JS.API.CONSUMER.INFO.shop.billing"},
		{"", "both", callout.CodeAmbiguous, "github~both", "both", "", "", ""},
		{"project=far", "both", callout.CodeGranted, "github~both", "both", "OTHER", "far.orders", "shop.orders"},
		{"account=APP", "both", callout.CodeGranted, "github~both", "both", "APP", "shop.orders", "far.orders"},
		{"project=gone", "both", callout.CodeNotMember, "github~both", "both", "", "", ""},
		{"", "ingest", callout.CodeGranted, "github~ingest", "ingest", "APP", "habitat.event.x", "shop.orders"},
		{"", "project:lab", callout.CodeGranted, "github~project%3Alab", "project", "APP", "lab.x", "shop.x"},
		{"", "project:gone", callout.CodeIdentityProject, "github~project%3Agone", "project", "", "", ""},
		{"", "project:", callout.CodeIdentityValue, "", "project", "", "", ""},
		{"", "project:*", callout.CodeIdentityValue, "", "project", "", "", ""},
		{"", "user:publisher", callout.CodeGranted, "publisher", "user", "APP", "shop.orders", "shop.returns"},
		{"", "user:both", callout.CodeAmbiguous, "both", "user", "", "", ""},
		{"project=far", "user:both", callout.CodeGranted, "both", "user", "OTHER", "far.orders", "shop.orders"},
		{"", "user:nobody", callout.CodeUserUnknown, "nobody", "user", "", "", ""},
		{"", "user:former", tokens.CodeUserDisabled, "former", "user", "", "", ""},
		{"", "user:stranger", callout.CodeNoRole, "stranger", "user", "", "", ""},
		{"", "user:github~all", callout.CodeIdentityValue, "", "user", "", "", ""},
	} {
		got := d.Decide(t.Context(), &tokens.Credential{User: c.user, Password: c.token})
		if got.Code != c.code || got.Identity.Name != c.name || got.Grant.Account != c.account || strings.Join(got.Rules, " ") != c.rule {
			t.Errorf("%s %s: %s (%s) for %+v by %v in %q, want %+v", c.user, c.token, got.Code, got.Cause, got.Identity, got.Rules, got.Grant.Account, c)
		}
		if got.Outcome == callout.Granted {
			if !got.Grant.Check(permissions.Publish, c.publish).Allowed || got.Grant.Check(permissions.Publish, c.denied).Allowed ||
				!got.Grant.Check(permissions.Subscribe, "_INBOX_"+c.name+".x").Allowed {
				t.Errorf("%s: %+v", c.token, got.Grant.Rules)
			}
		} else if got.Outcome != callout.Denied {
			t.Errorf("%s: %s", c.token, got.Outcome)
		}
		id := got.Identity
		id.Name = ""
		if again := d.DecideIdentity(current, id, 1<<20); again.Code != got.Code && got.Code != tokens.CodeUserDisabled || again.Identity.Name != got.Identity.Name {
			t.Errorf("%s: DecideIdentity returned %s for %+v", c.token, again.Code, again.Identity)
		}
	}
}

// What cannot be decided is no denial.
func TestDecideMappedUnavailable(t *testing.T) {
	current := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	shop, _ := current.Project("shop")
	broken, _, _ := current.Apply([]directory.Entry{{Key: directory.ResourceKey(directory.KindTopic, shop.ID, "new"), Value: &directory.Unreadable{}}})
	d := &callout.Decider{Chain: tokens.Chain{oidcVerifier{}}, Ruleset: callout.FixedRuleset(callouttest.Policy(), identityRules(t))}
	for _, c := range []struct {
		s           *snapshot.Snapshot
		token, code string
	}{
		{nil, "ingest", callout.CodeNoDirectory},
		{nil, "stranger", callout.CodeNoDirectory},
		{broken, "pub", callout.CodeUnreadable},
		{broken, "user:publisher", callout.CodeUnreadable},
		{broken, "project:lab", callout.CodeGranted},
	} {
		d.Snapshot = func() *snapshot.Snapshot { return c.s }
		if got := d.Decide(t.Context(), &tokens.Credential{AuthToken: c.token}); got.Code != c.code {
			t.Errorf("%s: %s, want %s", c.token, got.Code, c.code)
		}
	}
	if got := d.DecideIdentity(current, identity.Identity{ID: "ingest"}, 1<<20); got.Outcome != callout.Unavailable {
		t.Errorf("without an authority: %s", got.Code)
	}
	d.Ruleset = callout.FixedRuleset(callouttest.Policy(), nil)
	if got := d.DecideIdentity(current, identity.Identity{ID: "ingest", Authority: "github"}, 1<<20); got.Code != callout.CodeNoIdentityRule {
		t.Errorf("without rules: %s", got.Code)
	}
}

// An identity is mapped with the directory that is in force after its verifier has
// waited, and with no other.
func TestMappedSnapshot(t *testing.T) {
	before := callouttest.ParseDirectory(t, "projects: [{name: shop, account: APP, topics: [{name: orders}]}]\n")
	after := callouttest.ParseDirectory(t, "projects: [{name: shop, account: APP, topics: [{name: returns}]}]\n")
	current := before
	waiting := oidcVerifier{waits: func() { current = after }}
	d := &callout.Decider{Chain: tokens.Chain{waiting}, Snapshot: func() *snapshot.Snapshot { return current }, Ruleset: callout.FixedRuleset(callouttest.Policy(), identityRules(t))}
	got := d.Decide(t.Context(), &tokens.Credential{AuthToken: "pub"})
	if got.Snapshot != after || !got.Grant.Check(permissions.Publish, "shop.returns").Allowed {
		t.Errorf("%s: %+v", got.Code, got.Grant.Rules)
	}
}

// A server that is reloaded asks again with the name of the user JWT.
func TestMappedOwnName(t *testing.T) {
	current := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	d := &callout.Decider{Chain: tokens.Chain{oidcVerifier{}}, Snapshot: func() *snapshot.Snapshot { return current }, Ruleset: callout.FixedRuleset(callouttest.Policy(), identityRules(t))}
	for user, want := range map[string]identity.Selection{
		"":                         {},
		"other":                    {},
		"github~both":              {OwnName: true},
		"github~both,project=far":  {Project: "far"},
		"github~other,account=APP": {Account: "APP"},
	} {
		got := d.Decide(t.Context(), &tokens.Credential{User: user, Password: "both"})
		if got.Identity.Selection != want {
			t.Errorf("%q: %+v, want %+v", user, got.Identity.Selection, want)
		}
	}
}
