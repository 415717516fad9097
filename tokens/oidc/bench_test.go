package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/tokens"
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
// metric "ratio" is its time over that of the signature alone, measured in turn with it;
// both are medians, so that what else the machine does has no part in it.
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
			signature := floor(b, k, token)
			if !verify() || !signature() { // the first fetches the keys
				b.Fatal("the token is not good")
			}
			b.ReportAllocs()
			var whole, least []time.Duration
			for b.Loop() {
				begin := time.Now()
				verify()
				middle := time.Now()
				signature()
				whole, least = append(whole, middle.Sub(begin)), append(least, time.Since(middle))
			}
			v, f := median(whole), median(least)
			b.ReportMetric(v, "verify-ns")
			b.ReportMetric(f, "floor-ns")
			b.ReportMetric(v/f, "ratio")
		})
	}
}

func median(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2])
}
