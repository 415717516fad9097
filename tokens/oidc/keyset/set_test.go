package keyset_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"usher/tokens/oidc/keyset"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func jwk(tb testing.TB, k jose.JSONWebKey) string {
	tb.Helper()
	text, err := json.Marshal(k)
	must(tb, err)
	return string(text)
}

func set(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

// Which keys of a set are used.
func TestParse(t *testing.T) {
	rsaKey := func(bits int) *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		must(t, err)
		return k
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	must(t, err)
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	good := jwk(t, jose.JSONWebKey{Key: ec.Public(), KeyID: "good", Use: "sig", Algorithm: "ES256"})
	public := func(k crypto.PublicKey, use, alg string) string {
		return jwk(t, jose.JSONWebKey{Key: k, KeyID: "k", Use: use, Algorithm: alg})
	}
	with := func(key, member string) string { return strings.Replace(key, "{", "{"+member+",", 1) }
	plain := public(ec.Public(), "", "")
	for _, tt := range []struct {
		name, key string
		used      bool
	}{
		{"EC", public(ec.Public(), "sig", "ES256"), true},
		{"without use and alg", plain, true},
		{"RSA with 2048 bits", public(rsaKey(2048).Public(), "sig", "RS256"), true},
		{"Ed25519", public(ed, "sig", "EdDSA"), true},
		{"key_ops", with(plain, `"key_ops":["verify"]`), true},
		{"an unknown member", with(plain, `"issuer":{"y":[1]}`), true},

		{"for encryption", public(ec.Public(), "enc", ""), false},
		{"for signing", with(plain, `"key_ops":["sign"]`), false},
		{"alg of another kind", public(ec.Public(), "sig", "RS256"), false},
		{"alg of another curve", public(ec.Public(), "sig", "ES384"), false},
		{"alg none", public(ec.Public(), "sig", "none"), false},
		{"RSA with 1024 bits", weakRSA(t), false},
		{"a private key", public(ec, "sig", "ES256"), false},
		{"a secret key", `{"kty":"oct","kid":"k","k":"AAAA"}`, false},
		{"an unknown type", `{"kty":"XYZ","kid":"k"}`, false},
		{"P-224", `{"kty":"EC","crv":"P-224","kid":"k","x":"` + p224.X.String() + `","y":"AA"}`, false},
		{"X25519", `{"kty":"OKP","crv":"X25519","kid":"k","x":"AAAA"}`, false},
		{"a weak point of Ed25519", `{"kty":"OKP","crv":"Ed25519","kid":"k","x":"` + strings.Repeat("A", 43) + `"}`, false},
		{"a point off the curve", `{"kty":"EC","crv":"P-256","kid":"k","x":"` + strings.Repeat("A", 42) + `E","y":"` + strings.Repeat("A", 42) + `E"}`, false},
		{"kid is a number", with(strings.Replace(plain, `"kid":"k",`, "", 1), `"kid":1`), false},
		{"a text", `"key"`, false},
		{"null", `null`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := keyset.Parse(set(good, tt.key))
			want := 1
			if tt.used {
				want = 2
			}
			if err != nil || s.Size() != want {
				t.Errorf("%v keys, %v, want %d", s, err, want)
			}
		})
	}
	for name, text := range map[string]string{
		"a list":      `[]`,
		"no keys":     `{}`,
		"keys twice":  `{"keys":[],"keys":[` + good + `]}`,
		"kid twice":   `{"keys":[` + with(good, `"kid":"x"`) + `]}`,
		"too large":   `{"keys":[` + good + `],"x":"` + strings.Repeat("x", 600<<10) + `"}`,
		"two values":  `{"keys":[` + good + `]}{}`,
		"not UTF-8":   "{\"keys\":[" + good + "],\"x\":\"\xff\"}",
		"keys a map":  `{"keys":{"a":` + good + `}}`,
		"many keys":   `{"keys":[` + strings.Repeat(good+",", 100) + good + `]}`,
		"only a weak": string(set(weakRSA(t))),
	} {
		if s, err := keyset.Parse([]byte(text)); err == nil || s != nil {
			t.Errorf("%s: %v", name, s)
		}
	}
}

// weakRSA returns a key of 1024 bits, which crypto/rsa does not make any more.
func weakRSA(tb testing.TB) string {
	tb.Helper()
	return `{"kty":"RSA","kid":"k","e":"AQAB","n":"` + strings.Repeat("w", 170) + `Q"}`
}

// Whatever a provider sends, Parse returns, and a set has keys.
func FuzzParse(f *testing.F) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(f, err)
	text, err := json.Marshal(jose.JSONWebKey{Key: k.Public(), KeyID: "k"})
	must(f, err)
	f.Add(set(string(text)))
	f.Add(set(`{"kty":"RSA","n":"AQAB","e":"AQAB","x5c":["AA=="]}`, `{"kty":"OKP","crv":"Ed25519","x":"AA"}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		s, err := keyset.Parse(document)
		if (err == nil) != (s != nil && s.Size() > 0) {
			t.Errorf("%v, %v", s, err)
		}
	})
}
