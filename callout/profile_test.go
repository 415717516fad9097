package callout_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/permissions"
	"usher/permissions/mapping"
	"usher/tokens"
)

// An identity with a profile gets exactly what the profile states.
func TestDecideProfile(t *testing.T) {
	current := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	policy := callouttest.Policy()
	policy.Profiles = []permissions.Profile{
		{Name: "reader", Account: "APP", Subscribe: []string{"habitat.event.>"}},
		{Name: "callout", Account: policy.CalloutAccount, Subscribe: []string{"a"}},
	}
	rules := mappingRules(t, mapping.MatchAll,
		globRule("services", "*", mapping.Rule{Profile: "{id}"}),
		globRule("admins", "callouts", mapping.Rule{Roles: []mapping.Role{{Project: "shop", Role: directory.RoleProjectAdmin}}}),
	)
	d := &callout.Decider{Chain: tokens.Chain{oidcVerifier{}}, Snapshot: func() *snapshot.Snapshot { return current }, Ruleset: callout.FixedRuleset(policy, rules)}
	for _, c := range []struct{ user, token, code, outcome string }{
		{"", "reader", callout.CodeGranted, "granted"},
		{"account=APP", "reader", callout.CodeGranted, "granted"},
		{"account=OTHER", "reader", callout.CodeNotInAccount, "denied"},
		{"project=shop", "reader", callout.CodeNotMember, "denied"},
		{"", "Reader", callout.CodeIdentityProfile, "denied"},
		{"project=shop", "writer", callout.CodeIdentityProfile, "denied"},
		{"", "a.b", callout.CodeIdentityValue, "denied"},
		{"", "callouts", callout.CodeIdentityAmbiguous, "denied"},
		{"", "callout", callout.CodeInvariant, "unavailable"},
	} {
		got := d.Decide(t.Context(), &tokens.Credential{User: c.user, Password: c.token})
		if got.Code != c.code || string(got.Outcome) != c.outcome || got.Rules[0] != "services" {
			t.Errorf("%s %s: %s %s (%s) by %v, want %s", c.user, c.token, got.Outcome, got.Code, got.Cause, got.Rules, c.code)
		}
		if got.Outcome != callout.Granted {
			continue
		}
		g := &got.Grant
		if !g.Check(permissions.Subscribe, "habitat.event.x").Allowed || g.Check(permissions.Subscribe, "_INBOX_"+got.Identity.Name+".x").Allowed ||
			g.Check(permissions.Publish, "x").Allowed || got.Facts.Profile != "reader" {
			t.Errorf("%s: %+v", c.user, g.Rules)
		}
	}
}

// The audit names rule and profile.
func TestAuditProfile(t *testing.T) {
	keys := callouttest.NewKeys(t)
	server := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: server.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		Verifiers: []tokens.Verifier{oidcVerifier{}}, Identities: mappingRules(t, mapping.MatchFirst, globRule("services", "*", mapping.Rule{Profile: "reader"})),
	})
	if nc, err := nats.Connect(server.URL(), nats.Token("any"), callouttest.ConnectTimeout()); err == nil {
		nc.Close()
		t.Fatal("connected without a profile")
	}
	event := service.WaitEvent(t, callout.CodeIdentityProfile)
	if event.Text("outcome") != "denied" || event.Text("rule") != "services" || event.Text("profile") != "reader" {
		t.Errorf("%+v", event)
	}
}
