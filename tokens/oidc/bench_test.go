package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"strings"
	"testing"
	"time"

	"usher/tokens"
	"usher/tokens/conformance"
)

// floor returns the least that a verification of a token costs: the hash and the
// signature.
func floor(tb testing.TB, k key, token string) func() bool {
	tb.Helper()
	at := strings.LastIndexByte(token, '.')
	signed, signature := []byte(token[:at]), decode(tb, token[at+1:])
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		return func() bool {
			digest := sha256.Sum256(signed)
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
		}
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return func() bool {
			digest := sha256.Sum256(signed)
			return ecdsa.Verify(public, digest[:], r, s)
		}
	default:
		return func() bool { return ed25519.Verify(public.(ed25519.PublicKey), signed, signature) }
	}
}

// openGate makes a chain ask whether a verifier is slow, as the service does.
type openGate struct{}

func (openGate) Enter(string) error { return nil }
func (openGate) Leave(string)       {}

// BenchmarkVerify verifies a token with 14 claims and cached keys, as a request does. The
// floor is the signature alone.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			k := newKey(b, "b1946ac9-2d8f-4a3e-9f6e-0123456789ab", alg)
			p := newProvider(b, k)
			token := k.token(b, claims(p.URL, map[string]any{
				"nbf": start().Add(-time.Hour).Unix(), "azp": "cli", "email": "alice@example.com", "email_verified": true,
				"groups": []string{"/dev", "/ops", "/admins"}, "realm_access": map[string]any{"roles": []string{"publisher", "consumer"}},
			}))
			chain, c := tokens.Chain{newVerifier(b, start, p.authority(b))}, bearer(token)
			verify := func() bool {
				_, _, err := chain.Verify(b.Context(), c, openGate{})
				return err == nil
			}
			conformance.Compare(b, verify, floor(b, k, token))
		})
	}
}
