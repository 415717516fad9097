package callout_test

import (
	"context"
	"testing"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
)

// fixedVerifier verifies every credential as this user of the directory. It does not
// check the user.
type fixedVerifier struct{ user string }

func (fixedVerifier) Name() string { return "fixed" }

func (v fixedVerifier) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{Name: v.user, Authority: identity.AuthorityDirectory, Method: "fixed", KeyID: "k"}, nil
}

// A disabled user is denied whatever verifier verified it. DecideIdentity decides like
// Decide.
func TestDecideIdentity(t *testing.T) {
	current := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	for user, want := range map[string]string{
		"publisher": callout.CodeGranted, "former": tokens.CodeUserDisabled, "nobody": callout.CodeUserUnknown,
		"stranger": callout.CodeNoRole, "both": callout.CodeAmbiguous,
	} {
		d := &callout.Decider{
			Chain:    tokens.Chain{fixedVerifier{user}},
			Snapshot: func() *snapshot.Snapshot { return current }, Ruleset: callout.FixedRuleset(callouttest.Policy(), nil),
		}
		verified := d.Decide(t.Context(), &tokens.Credential{})
		given := d.DecideIdentity(current, verified.Identity, 1<<20)
		for how, got := range map[string]callout.Decision{"fixed": verified, "": given} {
			if got.Code != want || got.Verifier != how || got.Identity.Name != user || got.Identity.KeyID != "k" {
				t.Errorf("%s, verifier %q: got %s by %q for %+v, want %s", user, how, got.Code, got.Verifier, got.Identity, want)
			}
		}
		if verified.Cause != given.Cause || verified.Grant.Account != given.Grant.Account || len(verified.Grant.Rules) != len(given.Grant.Rules) {
			t.Errorf("%s: %+v and %+v", user, verified, given)
		}
	}
}

// An unreadable entry never causes a denial, or a grant with fewer permissions.
func TestDecideUnreadable(t *testing.T) {
	current := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	u, ok := current.User("publisher")
	if !ok {
		t.Fatal("no user publisher")
	}
	current, _, _ = current.Apply([]directory.Entry{
		{Key: directory.MemberKey(directory.IDOf(directory.KindProject, "unknown"), u.ID), Value: &directory.Unreadable{}},
	})
	d := &callout.Decider{Snapshot: func() *snapshot.Snapshot { return current }, Ruleset: callout.FixedRuleset(callouttest.Policy(), nil)}
	for user, want := range map[string]string{"publisher": callout.CodeUnreadable, "former": tokens.CodeUserDisabled, "both": callout.CodeAmbiguous} {
		got := d.DecideIdentity(current, identity.Identity{Name: user, Authority: identity.AuthorityDirectory}, 1<<20)
		if got.Code != want || want == callout.CodeUnreadable && got.Outcome != callout.Unavailable {
			t.Errorf("%s: %s, want %s", user, got.Code, want)
		}
	}
}
