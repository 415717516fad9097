package anonymous_test

import (
	"errors"
	"net/netip"
	"testing"

	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/anonymous"
	"usher/tokens/conformance"
)

const natsJWT = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.e30"

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Kind{
		New: func(*testing.T, func() *snapshot.Snapshot) tokens.Verifier {
			return anonymous.NewVerifier(anonymous.Config{Name: "guests", Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
		},
		Method: identity.MethodAnonymous, Authority: "guests",
		Good: tokens.Credential{Host: "10.1.2.3"},
		Bad: map[string]tokens.Credential{
			anonymous.CodeNetwork: {Host: "192.0.2.1"},
			tokens.CodeSelection:  {Host: "10.1.2.3", User: "project="},
		},
		Not: map[string]tokens.Credential{
			"a token":             {AuthToken: "x", Host: "10.1.2.3"},
			"a user and password": {User: "pia", Password: "wrong", Host: "10.1.2.3"},
			"a password alone":    {Password: "wrong", Host: "10.1.2.3"},
			"a user name alone":   {User: "pia", Host: "10.1.2.3"},
			"a selecting user":    {User: "pia,project=shop", Password: "wrong", Host: "10.1.2.3"},
			"an nkey":             {NKey: "U", Host: "10.1.2.3"},
			"a signature":         {Signature: "x", Nonce: "y", Host: "10.1.2.3"},
			"a user JWT":          {NATSJWT: natsJWT, Host: "10.1.2.3"},
			"a signed user JWT":   {NATSJWT: natsJWT, Signature: "x", Host: "10.1.2.3"},
		},
	})
}

// In operator mode every client presents the sentinel. One that signs has its own JWT.
func TestSentinel(t *testing.T) {
	v := anonymous.NewVerifier(anonymous.Config{Name: "guests", Sentinel: true})
	if id, err := v.Verify(t.Context(), &tokens.Credential{NATSJWT: natsJWT}); err != nil || id.ID != anonymous.ID {
		t.Errorf("%v, %v", id, err)
	}
	if _, err := v.Verify(t.Context(), &tokens.Credential{NATSJWT: natsJWT, Signature: "x"}); !errors.Is(err, tokens.ErrNotApplicable) {
		t.Error(err)
	}
}
