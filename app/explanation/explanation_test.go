package explanation_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/app/explanation"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/permissions"
	"usher/permissions/mapping"
	"usher/tokens"
	"usher/tokens/apikey"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// inputs are those of callouttest.DirectoryYAML and one issuer.
func inputs(t *testing.T) explanation.Inputs {
	t.Helper()
	current := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	return inputsOf(t, func() *snapshot.Snapshot { return current })
}

func inputsOf(t *testing.T, current func() *snapshot.Snapshot) explanation.Inputs {
	t.Helper()
	keys, err := keyring.Load(callouttest.KeyringDir(t, false, callouttest.NewKeys(t)), keyring.Config{})
	callouttest.Must(t, err)
	clock := func() time.Time { return now }
	return explanation.Inputs{
		Decider: &callout.Decider{
			Chain:    tokens.Chain{apikey.NewVerifier(current, clock)},
			Snapshot: current, Ruleset: callout.FixedRuleset(callouttest.Policy(), nil),
		},
		Keyring:     func() *issuer.Keyring { return keys },
		MaxLifetime: time.Hour,
		Now:         clock,
	}
}

func jsonOf(t *testing.T, x *explanation.Explanation) string {
	t.Helper()
	var out bytes.Buffer
	callouttest.Must(t, x.WriteJSON(&out))
	return out.String()
}

// ofKey explains a key, and removes what depends on the key.
func ofKey(t *testing.T, in explanation.Inputs, c tokens.Credential, questions []explanation.Question) string {
	t.Helper()
	x := explanation.ForCredential(t.Context(), in, &c, questions...)
	if x.Verifier != "apikey" || x.Identity == nil || x.Identity.KeyID == "" {
		t.Fatalf("not verified by a key: %s", jsonOf(t, x))
	}
	x.Verifier, x.Identity.KeyID, x.Identity.NotAfter = "", "", nil
	if (x.Size != nil) != (x.Grant != nil) {
		t.Errorf("only one of size and grant is present: %s", jsonOf(t, x))
	}
	x.Size = nil // it includes the key's id and networks
	if x.Grant != nil {
		x.Grant.Networks = nil
		x.Grant.Tags = slices.DeleteFunc(slices.Clone(x.Grant.Tags), func(tag string) bool { return strings.HasPrefix(tag, "key:") })
	}
	return jsonOf(t, x)
}

// ForUser gives the same result as a key of the user.
func TestForUserEqualsKey(t *testing.T) {
	in := inputs(t)
	questions := []explanation.Question{
		{Side: permissions.Publish, Subject: "shop.orders"},
		{Side: permissions.Publish, Subject: "shop.returns"},
		{Side: permissions.Subscribe, Subject: ">"},
	}
	for _, c := range []struct{ user, bound, outcome string }{
		{"ingest", "", "granted"},
		{"publisher", "", "granted"},
		{"publisher", "project=shop", "granted"},
		{"consumer", "", "granted"},
		{"padmin", "", "granted"},
		{"sadmin", "project=far", "granted"},
		{"wsonly", "", "granted"},
		{"here", "", "granted"},
		{"both", "", "ambiguous_account"},
		{"both", "project=far", "granted"},
		{"both", "account=APP", "granted"},
		{"both", "project=lab", "not_member"},
		{"both", "account=AUTH", "not_in_account"},
		{"stranger", "", "no_role"},
		{"former", "", "user_disabled"},
	} {
		credential := tokens.Credential{User: c.bound, Password: c.user + "-key", Host: "127.0.0.1"}
		sel, err := credential.Selection()
		callouttest.Must(t, err)
		x := explanation.ForUser(in, c.user, sel, questions...)
		x.Size = nil
		if got, want := jsonOf(t, x), ofKey(t, in, credential, questions); x.Code != c.outcome || got != want {
			t.Errorf("%s %s: got\n%s\nwant %s,\n%s", c.user, c.bound, got, c.outcome, want)
		}
	}
}

// A user whose keys are all unusable, or who has none, still gets an explanation of the
// grant.
func TestForUserWithoutUsableKey(t *testing.T) {
	in := inputs(t)
	for _, user := range []string{"late", "early", "off", "elsewhere"} {
		x := explanation.ForUser(in, user, identity.Selection{})
		if x.Outcome != callout.Granted || x.Grant == nil || x.Grant.Networks != nil || x.Identity.NotAfter != nil {
			t.Errorf("%s: %s", user, jsonOf(t, x))
		}
		if usable := user == "elsewhere"; (x.NoKey == "") != usable {
			t.Errorf("%s: %q", user, x.NoKey)
		}
	}
	keyless := callouttest.ParseDirectory(t, "users: [{name: pia, service_roles: [ingest]}]\n")
	in = inputsOf(t, func() *snapshot.Snapshot { return keyless })
	if x := explanation.ForUser(in, "pia", identity.Selection{}); x.Outcome != callout.Granted || x.Grant.Account != callouttest.AppAccount || x.NoKey != "the user has no key" {
		t.Errorf("without a key: %s", jsonOf(t, x))
	}
}

func TestForUnknownUser(t *testing.T) {
	for _, user := range []string{"nobody", "", "*", "publisher-key"} {
		x := explanation.ForUser(inputs(t), user, identity.Selection{})
		if x.Outcome != callout.Denied || x.Code != callout.CodeUserUnknown || x.Roles != nil || x.Grant != nil {
			t.Errorf("%q: %s", user, jsonOf(t, x))
		}
	}
	none := inputsOf(t, func() *snapshot.Snapshot { return nil })
	if x := explanation.ForUser(none, "publisher", identity.Selection{}); x.Outcome != callout.Unavailable || x.Code != callout.CodeNoDirectory {
		t.Errorf("without a directory: %s", jsonOf(t, x))
	}
}

// A grant that no key can sign is unavailable, also for a user.
func TestForUserWithoutASigningKey(t *testing.T) {
	in := inputs(t)
	o := callouttest.NewOperator(t, callouttest.OperatorConfig{})
	keys, err := keyring.Load(o.Keyring, keyring.Config{Callout: callouttest.CalloutAccount, System: callouttest.SystemAccount})
	callouttest.Must(t, err)
	in.Keyring = func() *issuer.Keyring { return keys }
	if x := explanation.ForUser(in, "publisher", identity.Selection{}); x.Outcome != callout.Granted {
		t.Errorf("got %s", jsonOf(t, x))
	}
	in.Decider.Ruleset().Policy.Scoped = []permissions.ScopedRole{{Account: callouttest.AppAccount, Role: string(directory.RolePublisher)}}
	x := explanation.ForUser(in, "publisher", identity.Selection{})
	if x.Outcome != callout.Unavailable || x.Code != callout.CodeNoSigningKey || x.Grant != nil {
		t.Errorf("got %s", jsonOf(t, x))
	}
}

func TestEnds(t *testing.T) {
	in := inputs(t)
	if x := explanation.ForUser(in, "publisher", identity.Selection{}); x.Grant.Ends == nil || !x.Grant.Ends.Equal(now.Add(time.Hour)) {
		t.Errorf("with a limit: %v", x.Grant.Ends)
	}
	in.MaxLifetime = 0
	if x := explanation.ForUser(in, "publisher", identity.Selection{}); x.Grant.Ends != nil {
		t.Errorf("without: %v", x.Grant.Ends)
	}
}

// An answer that is too large for serve is not granted by explain either; explain tells
// its size and the limit.
func TestTooLarge(t *testing.T) {
	in := inputs(t)
	fits := explanation.ForUser(in, "publisher", identity.Selection{})
	in.MaxPayload = fits.Size.Bytes - permissions.SizeSlack - 1
	x := explanation.ForUser(in, "publisher", identity.Selection{})
	if x.Outcome != callout.Unavailable || x.Code != callout.CodeTooLarge || x.Grant != nil || x.Size == nil || x.Size.Bytes != fits.Size.Bytes || x.Size.Limit != in.MaxPayload {
		t.Errorf("got %s", jsonOf(t, x))
	}
	var text bytes.Buffer
	callouttest.Must(t, x.WriteText(&text))
	if want := fmt.Sprintf("up to %d bytes; an answer may have %d", x.Size.Bytes, x.Size.Limit); !strings.Contains(text.String(), want) {
		t.Errorf("%q is not in\n%s", want, text.String())
	}
	in.MaxPayload++
	if x := explanation.ForUser(in, "publisher", identity.Selection{}); x.Outcome != callout.Granted {
		t.Errorf("got %s", jsonOf(t, x))
	}
}

func TestQuestion(t *testing.T) {
	for _, c := range []struct {
		side    permissions.Side
		subject string
		want    string // empty: valid
	}{
		{permissions.Publish, "shop.orders", ""},
		{permissions.Subscribe, "shop.>", ""},
		{permissions.Publish, "shop.*", `"shop.*" has a wildcard, which a subject to publish to cannot have`},
		{permissions.Publish, "shop..orders", `"shop..orders" is not a subject`},
		{permissions.Subscribe, "", `"" is not a subject`},
	} {
		err := explanation.Question{Side: c.side, Subject: c.subject}.Valid()
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%s %q: got %v, want %q", c.side, c.subject, err, c.want)
		}
	}
}

func TestEndsBeforeTheCredential(t *testing.T) {
	in := mappedInputs(t)
	in.RenewalMargin, in.MaxLifetime = 5*time.Minute, 0
	for left, want := range map[time.Duration]string{
		time.Hour:       "55m0s user_jwt.renewal_margin before the credential expires",
		time.Minute:     "1m0s the credential expires",
		5 * time.Minute: "5m0s the credential expires",
	} {
		x := explanation.ForIdentity(in, identity.Identity{ID: "ci", Authority: "github", NotAfter: now.Add(left)})
		if got := x.Grant.Ends.Sub(now).String() + " " + x.Grant.EndsBecause; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func mappedInputs(t *testing.T) explanation.Inputs {
	t.Helper()
	in := inputs(t)
	when := func(fact string, v any) []mapping.Condition { return []mapping.Condition{{Fact: fact, Equals: v}} }
	rules, problems := mapping.New(mapping.Config{Rules: []mapping.Rule{
		{Name: "people", When: when("claims.group", "people"), User: "{claims.name}"},
		{Name: "ci", When: when("id", "ci"), Roles: []mapping.Role{{Project: "shop", Role: directory.RolePublisher, Topics: []string{"returns"}}}},
		{Name: "late", When: when("claims.x", 1), Ingest: true},
		{Name: "rest", When: when("authority", "github"), Ingest: true},
	}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	in.Decider.Ruleset = callout.FixedRuleset(callouttest.Policy(), rules)
	return in
}

// The rules of identities are explained: the one that decided, and why others did not.
func TestMapping(t *testing.T) {
	in := mappedInputs(t)
	id := identity.Identity{ID: "ci", Authority: "github", Method: identity.MethodOIDC, Attributes: identity.Attributes{
		"claims": map[string]any{"x": 2.0, "secret": "hidden", "name": "publisher"},
	}}
	x := explanation.ForIdentity(in, id, explanation.Question{Side: permissions.Publish, Subject: "shop.returns"})
	var text bytes.Buffer
	callouttest.Must(t, x.WriteText(&text))
	for _, want := range []string{
		"identity   github~ci (authority github, method oidc)\nid         ci\nfact       claims.name is \"publisher\"\nfact       claims.x is 2\n",
		"rule       people: no, there is no claims.group, expected equals \"people\"\nrule       ci: matches\n" +
			"rule       late: no, claims.x is 2, expected equals 1\nrule       rest: matches too, but an earlier rule has decided\n",
		"role       publisher in project shop (account APP)\n", "publish?   shop.returns: yes, allowed by \"shop.returns\" (rule of identities, topic shop/returns (role publisher))",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	if got := jsonOf(t, x); !strings.Contains(got, `"failed": {
        "condition": 0,
        "fact": "claims.x",
        "expected": "equals 1",
        "found": "2"
      }`) || strings.Contains(got, "hidden") {
		t.Error(got)
	}
	id.ID, id.Authority = "other", "gitlab"
	if x := explanation.ForIdentity(in, id); x.Code != callout.CodeNoIdentityRule || x.Identity == nil || x.Identity.Name != "" || x.Identity.ID != "other" || len(x.Rules) != 4 {
		t.Errorf("no rule: %s", jsonOf(t, x))
	}
	if x := explanation.ForUser(in, "publisher", identity.Selection{}); x.Rules != nil {
		t.Errorf("a user of the directory: %s", jsonOf(t, x))
	}
	id.ID, id.Authority = "ci", "github"
	in.Decider.Chain = tokens.Chain{denies{id}}
	if x := explanation.ForCredential(t.Context(), in, &tokens.Credential{}); x.Code != "oidc_expired" || x.Identity == nil || x.Rules != nil {
		t.Errorf("its verifier denied it, and so no rule was asked: %s", jsonOf(t, x))
	}
	id.Authority, id.Attributes["claims"] = "github", map[string]any{"group": "usher_" + strings.Repeat("x", 60)}
	if got := jsonOf(t, explanation.ForIdentity(in, id)); strings.Contains(got, "xxxx") {
		t.Errorf("shows a secret: %s", got)
	}
}

// denies is a verifier that denies every credential, and knows whose it is.
type denies struct{ id identity.Identity }

func (denies) Name() string { return "denies" }

func (d denies) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{}, tokens.Reject("oidc_expired", "the token expired", d.id)
}
