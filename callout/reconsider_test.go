package callout_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
	"usher/permissions/mapping"
	"usher/tokens"
	"usher/tokens/apikey"
	"usher/tokens/nkey"
)

// reconsiderDirectory has a user pia, with an API key and an nkey as the texts state them.
func reconsiderDirectory(pia string) string {
	return callouttest.WithDigests(fmt.Sprintf(`
users:
  - {name: pia, %s}
  - {name: ada, keys: [{id: laptop, digest: KEY(ada-key)}]}
projects:
  - {name: shop, account: APP, members: [{user: pia, roles: [publisher]}], topics: [{name: orders, acl: [pia]}]}
  - {name: far, account: OTHER, members: [{user: pia, roles: [publisher]}], topics: [{name: orders, acl: [pia]}]}
`, pia))
}

// sessionOf returns what a registry has of the granted decision d.
func sessionOf(d *callout.Decision) *session.Session {
	return &session.Session{
		ID: session.ID{Server: "N1", Client: 7}, Identity: d.Identity, Verifier: d.Verifier, Rules: d.Rules, Grant: d.Grant,
		Addr: netip.MustParseAddr("192.0.2.7"), Expires: d.Grant.NotAfter,
	}
}

var standard = identity.Connection{Types: []string{string(directory.ConnectionStandard)}}

// A key of the directory is looked up again by its user and secret, with the selection of the
// session.
//
// Attack: somebody stays connected with a key that is revoked, replaced, disabled, expired, or given to another user
// Held by: the key of a session is looked up again, and must still be the same one
func TestReconsiderKey(t *testing.T) {
	t.Parallel()
	key := newNKeyClient(t)
	for name, c := range map[string]struct{ granted, now, code string }{
		"unchanged":            {"keys: [{id: laptop, digest: KEY(k)}]", "keys: [{id: laptop, digest: KEY(k)}]", "granted"},
		"another key besides":  {"keys: [{id: laptop, digest: KEY(k)}]", "keys: [{id: a, digest: KEY(l)}, {id: laptop, digest: KEY(k)}]", "granted"},
		"gone":                 {"keys: [{id: laptop, digest: KEY(k)}]", "keys: []", apikey.CodeUnknown},
		"another id":           {"keys: [{id: laptop, digest: KEY(k)}]", "keys: [{id: phone, digest: KEY(k)}]", "granted"},
		"replaced, with grace": {"keys: [{id: laptop, digest: KEY(k)}]", "keys: [{id: laptop, digest: KEY(l)}, {id: laptop-1, digest: KEY(k), expires: 2099-01-01T00:00:00Z}]", "granted"},
		"the grace is over":    {"keys: [{id: laptop, digest: KEY(k)}]", "keys: [{id: laptop, digest: KEY(l)}, {id: laptop-1, digest: KEY(k), expires: 2020-01-01T00:00:00Z}]", tokens.CodeKeyExpired},
		"replaced":             {"keys: [{id: laptop, digest: KEY(k)}]", "keys: [{id: laptop, digest: KEY(l)}]", apikey.CodeUnknown},
		"replaced by an nkey":  {"keys: [{id: laptop, digest: KEY(k)}]", "nkeys: [{id: laptop, nkey: " + key.public + "}]", apikey.CodeUnknown},
		"disabled":             {"keys: [{id: laptop, digest: KEY(k)}]", "keys: [{id: laptop, digest: KEY(k), enabled: false}]", tokens.CodeKeyDisabled},
		"expired":              {"keys: [{id: laptop, digest: KEY(k)}]", "keys: [{id: laptop, digest: KEY(k), expires: 2020-01-01T00:00:00Z}]", tokens.CodeKeyExpired},
		"not yet valid":        {"keys: [{id: laptop, digest: KEY(k)}]", "keys: [{id: laptop, digest: KEY(k), not_before: 2099-01-01T00:00:00Z}]", tokens.CodeKeyNotYetValid},
		"elsewhere":            {"keys: [{id: laptop, digest: KEY(k)}]", "keys: [{id: laptop, digest: KEY(k), networks: [198.51.100.0/24]}]", tokens.CodeKeyNetwork},
		"here":                 {"keys: [{id: laptop, digest: KEY(k)}]", "keys: [{id: laptop, digest: KEY(k), networks: [192.0.2.0/24]}]", "granted"},
		"the user is disabled": {"keys: [{id: laptop, digest: KEY(k)}]", "enabled: false, keys: [{id: laptop, digest: KEY(k)}]", tokens.CodeUserDisabled},
		"an nkey":              {"nkeys: [{id: laptop, nkey: " + key.public + "}]", "nkeys: [{id: laptop, nkey: " + key.public + "}]", "granted"},
		"an nkey that is gone": {"nkeys: [{id: laptop, nkey: " + key.public + "}]", "keys: [{id: laptop, digest: KEY(k)}]", nkey.CodeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			current := callouttest.ParseDirectory(t, reconsiderDirectory(c.granted))
			load := func() *snapshot.Snapshot { return current }
			d := &callout.Decider{
				Chain:    tokens.Chain{nkey.NewVerifier(load, time.Now), apikey.NewVerifier(load, time.Now)},
				Snapshot: load, Now: time.Now, Ruleset: callout.FixedRuleset(callouttest.Policy(), nil),
			}
			credential := &tokens.Credential{User: "project=far", Password: "k", Host: "192.0.2.7", Connection: standard}
			if c.granted[0] == 'n' {
				credential.Password, credential.NKey, credential.Nonce = "", key.public, "nonce"
				credential.Signature = key.sign(t, "nonce")
			}
			granted := d.Decide(t.Context(), credential)
			if granted.Outcome != callout.Granted {
				t.Fatalf("%s %s", granted.Code, granted.Cause)
			}
			s := sessionOf(&granted)
			got := d.Reconsider(t.Context(), s, callouttest.ParseDirectory(t, reconsiderDirectory(c.now)))
			if got.Code != c.code || got.Identity.Name != "pia" || got.Verifier != granted.Verifier || !got.Until.IsZero() {
				t.Errorf("%s (%s) for %q by %q until %v, want %s", got.Code, got.Cause, got.Identity.Name, got.Verifier, got.Until, c.code)
			}
			if c.code == "granted" && (got.Grant.Account != callouttest.OtherAccount || got.Identity.Selection != s.Identity.Selection || got.Snapshot == nil) {
				t.Errorf("in account %s, with selection %q", got.Grant.Account, got.Identity.Selection)
			}
			if gone := d.Reconsider(t.Context(), s, callouttest.ParseDirectory(t, callouttest.WithDigests("users: [{name: ada, keys: [{id: laptop, digest: KEY(k)}]}]"))); gone.Outcome != callout.Denied {
				t.Errorf("without the user: %s", gone.Code)
			}
		})
	}
}

// What cannot be looked up is good until its end, and mapped again.
func TestReconsiderOthers(t *testing.T) {
	t.Parallel()
	current := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	clock := &callouttest.Clock{}
	d := &callout.Decider{
		Chain: tokens.Chain{oidcVerifier{}}, Snapshot: func() *snapshot.Snapshot { return current }, Now: clock.Now,
		Ruleset: callout.FixedRuleset(callouttest.Policy(), identityRules(t)),
	}
	granted := d.Decide(t.Context(), &tokens.Credential{User: "project=shop", Password: "both", Connection: standard})
	s := sessionOf(&granted)
	s.Identity.NotAfter = clock.Now().Add(time.Hour)
	s.Expires = clock.Now().Add(time.Minute)
	check := func(code string) callout.Decision {
		t.Helper()
		got := d.Reconsider(t.Context(), s, current)
		if got.Code != code || got.Identity.ID != "both" {
			t.Errorf("%s (%s) for %+v, want %s", got.Code, got.Cause, got.Identity, code)
		}
		return got
	}
	if got := check(callout.CodeGranted); !got.Until.Equal(s.Expires) || !got.Grant.NotAfter.Equal(s.Identity.NotAfter) || got.Identity.Name != "github~both" ||
		!got.Grant.Check(permissions.Publish, "shop.orders").Allowed || got.Grant.Check(permissions.Publish, "shop.returns").Allowed {
		t.Errorf("until %v, %+v", got.Until, got.Grant)
	}
	d.Ruleset = callout.FixedRuleset(callouttest.Policy(), mappingRules(t, mapping.MatchFirst, globRule("other", "other*", mapping.Rule{Ingest: true})))
	check(callout.CodeNoIdentityRule)
	d.Ruleset = callout.FixedRuleset(callouttest.Policy(), mappingRules(t, mapping.MatchFirst, globRule("user", "both", mapping.Rule{User: "former"})))
	check(tokens.CodeUserDisabled)
	d.Ruleset = callout.FixedRuleset(callouttest.Policy(), identityRules(t))
	clock.Advance(2 * time.Hour)
	check(tokens.CodeExpired)
	clock.Advance(-2 * time.Hour)
	check(callout.CodeGranted)
	d.Chain = tokens.Chain{apikey.NewVerifier(d.Snapshot, clock.Now)}
	check(tokens.CodeNotConfigured)
}

// Silence for what cannot be decided.
func TestReconsiderUnavailable(t *testing.T) {
	t.Parallel()
	current := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	load := func() *snapshot.Snapshot { return current }
	d := &callout.Decider{Chain: tokens.Chain{apikey.NewVerifier(load, time.Now)}, Snapshot: load, Now: time.Now, Ruleset: callout.FixedRuleset(callouttest.Policy(), nil)}
	granted := d.Decide(t.Context(), &tokens.Credential{AuthToken: "publisher-key", Connection: standard})
	s := sessionOf(&granted)
	pia, _ := current.User("publisher")
	key := directory.KeyKey(pia.ID, pia.Keys[0].ID)
	keyUnreadable, _, _ := current.Apply([]directory.Entry{{Key: key, Value: &directory.Unreadable{}}})
	userUnreadable, _, _ := current.Apply([]directory.Entry{{Key: directory.UserKey(pia.ID), Value: &directory.Unreadable{}}})
	for name, snap := range map[string]*snapshot.Snapshot{"no directory": nil, "key unreadable": keyUnreadable, "user unreadable": userUnreadable} {
		if got := d.Reconsider(t.Context(), s, snap); got.Outcome != callout.Unavailable {
			t.Errorf("%s: %s %s", name, got.Outcome, got.Code)
		}
	}
	adopted := *s
	adopted.Adopted = true
	if got := d.Reconsider(t.Context(), &adopted, current); got.Outcome != callout.Unavailable || got.Code != callout.CodeAdopted {
		t.Errorf("adopted: %s %s", got.Outcome, got.Code)
	}
}
