package oidc_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"usher/tokens"
	"usher/tokens/oidc"
)

// Every forged token is denied, with the code and the cause that say what is wrong.
//
// Attack: a token that no authority issued for usher, in any of the known ways
// Held by: one form of tokens, asymmetric algorithms, keys of the configuration only
func TestForgedTokens(t *testing.T) {
	good, other := newKey(t, "rsa", "RS256"), newKey(t, "rsa", "RS256")
	ec, pss, anyRSA := newKey(t, "ec", "ES256"), newKey(t, "pss", "PS256"), newKey(t, "any", "")
	small, encryption, ec384 := newKey(t, "small", "RS256"), newKey(t, "enc", "RS256"), newKey(t, "ec384", "ES384")
	p := newProvider(t)
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{good.public(), ec.public(), pss.public(), anyRSA.public(), ec384.public(), encryption.public()}}
	set.Keys[len(set.Keys)-1].Use = "enc"
	p.set(toJSON(t, set), nil)

	a := p.authority(t)
	a.Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}
	a.Required = map[string]string{"tenant": "acme"}
	a.MaxSize = 4096
	v := newVerifier(t, start, a)

	with := func(changes map[string]any) map[string]any {
		c := claims(p.URL, map[string]any{"tenant": "acme"})
		for name, value := range changes {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
		return c
	}
	payload := toJSON(t, with(nil))
	signed := func(changes map[string]any) string { return good.token(t, with(changes)) }
	header := func(members string) string { return good.raw(t, `{"alg":"RS256","typ":"at+jwt"`+members+`}`, payload) }
	valid := signed(nil)
	parts := strings.Split(valid, ".")
	der, err := x509.MarshalPKIXPublicKey(good.private.Public())
	must(t, err)
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hmacWith := func(secret []byte) string {
		text := encode(`{"alg":"HS256","kid":"rsa","typ":"at+jwt"}`) + "." + encode(payload)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		return text + "." + encode(mac.Sum(nil))
	}
	jwk := toJSON(t, other.public())
	at := func(d time.Duration) int64 { return start().Add(d).Unix() }

	if _, err := v.Verify(t.Context(), bearer(valid)); err != nil {
		t.Fatalf("the good token: %v", err)
	}
	for _, tt := range []struct {
		name, token, code, cause string
	}{
		// The algorithm.
		{"no signature, alg none", encode(`{"alg":"none"}`) + "." + parts[1] + ".", oidc.CodeAlgorithm, "none"},
		{"alg NONE with the signature", encode(`{"alg":"NONE","kid":"rsa"}`) + "." + parts[1] + "." + parts[2], oidc.CodeAlgorithm, "NONE"},
		{"HMAC with the public key", hmacWith(publicPEM), oidc.CodeAlgorithm, "HS256"},
		{"HMAC with the public key in DER", hmacWith(der), oidc.CodeAlgorithm, "HS256"},
		{"HMAC with nothing", hmacWith(nil), oidc.CodeAlgorithm, "HS256"},
		{"no alg", good.raw(t, `{"kid":"rsa","typ":"at+jwt"}`, payload), oidc.CodeAlgorithm, "refused"},
		{"an algorithm that is not allowed here", key{"ec384", "ES384", ec384.private}.raw(t, ec384.header("at+jwt"), payload), oidc.CodeAlgorithm, "ES384"},
		{"PSS with a key for PKCS #1", key{"rsa", "PS256", good.private}.token(t, with(nil)), oidc.CodeKeyUnknown, `"rsa"`},
		{"PKCS #1 with a key for PSS", key{"pss", "RS256", pss.private}.token(t, with(nil)), oidc.CodeKeyUnknown, `"pss"`},
		{"PKCS #1 that says PSS", key{"any", "RS256", anyRSA.private}.raw(t, `{"alg":"PS256","kid":"any","typ":"at+jwt"}`, payload), oidc.CodeSignature, "signature"},
		{"ECDSA that says RSA", ec.raw(t, `{"alg":"RS256","kid":"ec","typ":"at+jwt"}`, payload), oidc.CodeKeyUnknown, `"ec"`},
		{"another curve that says P-256", ec384.raw(t, `{"alg":"ES256","kid":"ec384","typ":"at+jwt"}`, payload), oidc.CodeKeyUnknown, `"ec384"`},
		{"RSA that says Ed25519", good.raw(t, `{"alg":"EdDSA","kid":"rsa","typ":"at+jwt"}`, payload), oidc.CodeKeyUnknown, `"rsa"`},

		// The key.
		{"a key that the authority does not have", key{"other", "RS256", other.private}.token(t, with(nil)), oidc.CodeKeyUnknown, `"other"`},
		{"another key under the name", other.token(t, with(nil)), oidc.CodeSignature, "signature"},
		{"no name of a key", other.raw(t, `{"alg":"RS256","typ":"at+jwt"}`, payload), oidc.CodeSignature, "signature"},
		{"a key for encryption", encryption.token(t, with(nil)), oidc.CodeKeyUnknown, `"enc"`},
		{"a name that looks the same", good.raw(t, `{"alg":"RS256","kid":"rsа","typ":"at+jwt"}`, payload), oidc.CodeKeyUnknown, "rs"},
		{"a name with a line break", good.raw(t, `{"alg":"RS256","kid":"rsa\n","typ":"at+jwt"}`, payload), oidc.CodeKeyUnknown, `"rsa\n"`},
		{"a name that is a path", small.raw(t, `{"alg":"RS256","kid":"../../dev/null","typ":"at+jwt"}`, payload), oidc.CodeKeyUnknown, "dev"},
		{"a name in upper case", good.raw(t, `{"alg":"RS256","kid":"RSA","typ":"at+jwt"}`, payload), oidc.CodeKeyUnknown, `"RSA"`},
		{"its own key, jwk", other.raw(t, `{"alg":"RS256","typ":"at+jwt","jwk":`+jwk+`}`, payload), oidc.CodeHeader, "jwk"},
		{"its own keys, jku", header(`,"kid":"rsa","jku":"https://evil.example/keys"`), oidc.CodeHeader, "jku"},
		{"its own certificate, x5c", header(`,"kid":"rsa","x5c":["MIIB"]`), oidc.CodeHeader, "x5c"},
		{"its own certificate, x5u", header(`,"kid":"rsa","x5u":"https://evil.example/cert"`), oidc.CodeHeader, "x5u"},

		// The signature.
		{"a signature of zeros", encode(ec.header("at+jwt")) + "." + encode(payload) + "." + encode(make([]byte, 64)), oidc.CodeSignature, "signature"},
		{"a signature of nothing", parts[0] + "." + parts[1] + ".", oidc.CodeSignature, "signature"},
		{"half a signature", parts[0] + "." + parts[1] + "." + encode(decode(t, parts[2])[:128]), oidc.CodeSignature, "signature"},
		{"a signature in ASN.1", asn1Signature(t, ec, encode(ec.header("at+jwt"))+"."+encode(payload)), oidc.CodeSignature, "signature"},
		{"changed claims", parts[0] + "." + encode(toJSON(t, with(map[string]any{"sub": "root"}))) + "." + parts[2], oidc.CodeSignature, "signature"},
		{"the signature of another header", encode(`{"alg":"RS256","typ":"at+jwt","kid":"rsa"}`) + "." + parts[1] + "." + parts[2], oidc.CodeSignature, "signature"},

		// The form.
		{"a dot behind", valid + ".", oidc.CodeMalformed, "three parts"},
		{"two parts", parts[0] + "." + parts[1], oidc.CodeMalformed, "three parts"},
		{"a line break behind", valid + "\n", oidc.CodeMalformed, "line break"},
		{"white space before", " " + valid, oidc.CodeMalformed, "header"},
		{"padding", parts[0] + "." + parts[1] + "." + parts[2] + "==", oidc.CodeMalformed, "signature"},
		{"other bits behind the signature", parts[0] + "." + parts[1] + "." + otherBits(parts[2]), oidc.CodeMalformed, "signature"},
		{"the other alphabet", parts[0] + "." + base64.RawStdEncoding.EncodeToString([]byte(payload+"\n\n?>")) + "." + parts[2], oidc.CodeMalformed, "payload"},
		{"a claim twice", good.raw(t, good.header("at+jwt"), strings.Replace(payload, `{`, `{"sub":"root",`, 1)), oidc.CodeMalformed, "twice"},
		{"a name twice in a claim", good.raw(t, good.header("at+jwt"), strings.Replace(payload, `{`, `{"x":{"y":1,"y":2},`, 1)), oidc.CodeMalformed, "twice"},
		{"alg twice", good.raw(t, `{"alg":"none","alg":"RS256","kid":"rsa","typ":"at+jwt"}`, payload), oidc.CodeMalformed, "twice"},
		{"something behind the claims", good.raw(t, good.header("at+jwt"), payload+`{"sub":"root"}`), oidc.CodeMalformed, "one JSON object"},
		{"claims in a list", good.raw(t, good.header("at+jwt"), "["+payload+"]"), oidc.CodeMalformed, "one JSON object"},
		{"claims nested deeply", good.raw(t, good.header("at+jwt"), `{"a":`+strings.Repeat("[", 900)+strings.Repeat("]", 900)+`}`), oidc.CodeMalformed, "deep"},
		{"invalid UTF-8", good.raw(t, good.header("at+jwt"), strings.Replace(payload, "alice", "al\xffce", 1)), oidc.CodeMalformed, "UTF-8"},
		{"a token in a token", header(`,"kid":"rsa","cty":"JWT"`), oidc.CodeHeader, "cty"},
		{"critical extensions", header(`,"kid":"rsa","crit":["exp"]`), oidc.CodeHeader, "crit"},
		{"a payload as it is, b64", header(`,"kid":"rsa","b64":false`), oidc.CodeHeader, "b64"},
		{"compressed", header(`,"kid":"rsa","zip":"DEF"`), oidc.CodeHeader, "zip"},
		{"kid is a number", header(`,"kid":1`), oidc.CodeHeader, "kid"},
		{"encrypted", encode(`{"alg":"RSA-OAEP","enc":"A128GCM"}`) + ".a.b.c.d", oidc.CodeEncrypted, "five parts"},
		{"larger than the authority allows", signed(map[string]any{"x": strings.Repeat("a", 4096)}), oidc.CodeTooLarge, "4096"},
		{"larger than anything", "eyJ" + strings.Repeat("a", 1<<20) + ".a.b", oidc.CodeTooLarge, "bytes"},

		// The claims.
		{"another issuer", signed(map[string]any{"iss": "https://evil.example"}), oidc.CodeIssuerUnknown, "evil"},
		{"the issuer with a slash", signed(map[string]any{"iss": p.URL + "/"}), oidc.CodeIssuerUnknown, "configured"},
		{"the issuer in upper case", signed(map[string]any{"iss": strings.ToUpper(p.URL)}), oidc.CodeIssuerUnknown, "configured"},
		{"no issuer", signed(map[string]any{"iss": nil}), oidc.CodeClaims, "iss"},
		{"a list of issuers", signed(map[string]any{"iss": []string{p.URL}}), oidc.CodeClaims, "iss"},
		{"another audience", signed(map[string]any{"aud": "other"}), oidc.CodeAudience, "other"},
		{"no audience", signed(map[string]any{"aud": nil}), oidc.CodeAudience, "aud"},
		{"an empty list of audiences", signed(map[string]any{"aud": []string{}}), oidc.CodeAudience, "0 entries"},
		{"an audience in a list in a list", signed(map[string]any{"aud": []any{[]any{"nats"}}}), oidc.CodeAudience, "list of texts"},
		{"a number among the audiences", signed(map[string]any{"aud": []any{"nats", 1}}), oidc.CodeAudience, "list of texts"},
		{"an audience as a map", signed(map[string]any{"aud": map[string]any{"nats": true}}), oidc.CodeAudience, "list of texts"},
		{"the beginning of the audience", signed(map[string]any{"aud": "nat"}), oidc.CodeAudience, "nat"},
		{"expired", signed(map[string]any{"exp": at(-31 * time.Second)}), oidc.CodeExpired, "2027-03-04T05:05:36Z"},
		{"no end", signed(map[string]any{"exp": nil}), oidc.CodeClaims, "exp"},
		{"the end as a text", signed(map[string]any{"exp": fmt.Sprint(at(time.Hour))}), oidc.CodeClaims, "exp"},
		{"the end in milliseconds", signed(map[string]any{"exp": start().UnixMilli()}), oidc.CodeClaims, "exp"},
		{"an end past all numbers", good.raw(t, good.header("at+jwt"), strings.Replace(payload, `"exp":`, `"exp":1e300,"x":`, 1)), oidc.CodeClaims, "exp"},
		{"a negative end", signed(map[string]any{"exp": -1}), oidc.CodeClaims, "exp"},
		{"not yet valid", signed(map[string]any{"nbf": at(31 * time.Second)}), oidc.CodeNotYetValid, "not valid before"},
		{"issued in the future", signed(map[string]any{"iat": at(31 * time.Second)}), oidc.CodeNotYetValid, "future"},
		{"nbf is null", good.raw(t, good.header("at+jwt"), strings.Replace(payload, `{`, `{"nbf":null,`, 1)), oidc.CodeClaims, "nbf"},
		{"no subject", signed(map[string]any{"sub": nil}), oidc.CodeClaims, "sub"},
		{"an empty subject", signed(map[string]any{"sub": ""}), oidc.CodeClaims, "sub"},
		{"a subject with a line break", signed(map[string]any{"sub": "a\nb"}), oidc.CodeClaims, "sub"},
		{"a long subject", signed(map[string]any{"sub": strings.Repeat("a", 256)}), oidc.CodeClaims, "sub"},
		{"a subject that is a number", signed(map[string]any{"sub": 1}), oidc.CodeClaims, "sub"},
		{"not the required claim", signed(map[string]any{"tenant": "evil"}), oidc.CodeClaims, "tenant"},
		{"without the required claim", signed(map[string]any{"tenant": nil}), oidc.CodeClaims, "tenant"},
		{"no client_id", signed(map[string]any{"client_id": nil}), oidc.CodeClaims, "client_id"},
		{"no jti", signed(map[string]any{"jti": nil}), oidc.CodeClaims, "jti"},
		{"typ JWT", good.raw(t, good.header("JWT"), payload), oidc.CodeTokenType, "JWT"},
		{"no typ", good.raw(t, good.header(""), payload), oidc.CodeTokenType, "at+jwt"},
		{"a logout token", good.raw(t, good.header("logout+jwt"), payload), oidc.CodeTokenType, "logout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, by, err := tokens.Chain{v}.Verify(t.Context(), bearer(tt.token), nil)
			var r *tokens.Reason
			if !errors.As(err, &r) || r.Code != tt.code || !strings.Contains(r.Cause, tt.cause) || by != v.Name() {
				t.Fatalf("by %q: %v (%+v), want %s: …%s…", by, err, r, tt.code, tt.cause)
			}
			if signature := tt.token[strings.LastIndexByte(tt.token, '.')+1:]; len(signature) > 8 && strings.Contains(err.Error(), signature) {
				t.Error("the error contains the token")
			}
			if r.Identity.ID != "" && r.Identity.ID != "alice" {
				t.Errorf("a forged identity: %+v", r.Identity)
			}
		})
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches for all of them", n)
	}
}

func decode(tb testing.TB, part string) []byte {
	tb.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	must(tb, err)
	return raw
}

// otherBits changes the bits behind the last byte, which lenient decoders ignore.
func otherBits(part string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, part[len(part)-1])
	return part[:len(part)-1] + string(alphabet[last|1])
}

func asn1Signature(tb testing.TB, k key, signed string) string {
	tb.Helper()
	digest := sha256.Sum256([]byte(signed))
	signature, err := k.private.Sign(nil, digest[:], crypto.SHA256)
	must(tb, err)
	return signed + "." + encode(signature)
}
