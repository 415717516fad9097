package oidc_test

import (
	"errors"
	"maps"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	oidclib "github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"go.uber.org/goleak"

	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/conformance"
	"usher/tokens/oidc"
	"usher/tokens/oidc/jwt"
	"usher/tokens/oidc/keyset"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	k := newKey(t, "k", "ES256")
	p, down := newProvider(t, k), newProvider(t, k)
	gone := down.authority(t)
	gone.Name = "down"
	down.Close()
	good := k.token(t, claims(p.URL, nil))
	change := func(changes map[string]any) tokens.Credential {
		return *bearer(k.token(t, claims(p.URL, changes)))
	}
	conformance.Run(t, conformance.Kind{
		New: func(t *testing.T, _ func() *snapshot.Snapshot) tokens.Verifier {
			t.Helper()
			return newVerifier(t, start, p.authority(t), gone)
		},
		Method:    identity.MethodOIDC,
		Authority: "main",
		Good:      *bearer(good),
		Bad: map[string]tokens.Credential{
			oidc.CodeMalformed:     *bearer(good + "."),
			oidc.CodeTooLarge:      change(map[string]any{"x": strings.Repeat("a", 9000)}),
			oidc.CodeEncrypted:     *bearer("eyJlbmMiOiJBMTI4R0NNIn0.a.b.c.d"),
			oidc.CodeHeader:        *bearer(k.raw(t, `{"alg":"ES256","jku":"https://evil.example"}`, "{}")),
			oidc.CodeAlgorithm:     *bearer(k.raw(t, `{"alg":"none"}`, "{}")),
			oidc.CodeIssuerUnknown: change(map[string]any{"iss": "https://evil.example"}),
			oidc.CodeTokenType:     *bearer(k.raw(t, k.header("JWT"), toJSON(t, claims(p.URL, nil)))),
			oidc.CodeAudience:      change(map[string]any{"aud": "other"}),
			oidc.CodeExpired:       change(map[string]any{"exp": start().Add(-time.Hour).Unix()}),
			oidc.CodeNotYetValid:   change(map[string]any{"nbf": start().Add(time.Hour).Unix()}),
			oidc.CodeClaims:        change(map[string]any{"sub": nil}),
			oidc.CodeKeyUnknown:    *bearer(newKey(t, "new", "ES256").token(t, claims(p.URL, nil))),
			oidc.CodeSignature:     *bearer(newKey(t, "k", "ES256").token(t, claims(p.URL, nil))),
			tokens.CodeSelection:   {User: "project=", Password: good},
		},
		Down: map[string]tokens.Credential{
			"the provider is down": *bearer(k.token(t, claims(down.URL, nil))),
		},
		Not: map[string]tokens.Credential{
			"opaque":         *bearer("opaque.token.of-another"),
			"a NATS JWT":     *bearer(encode(`{"typ":"JWT","alg":"ed25519-nkey"}`) + "." + encode(`{"iss":"A"}`) + ".c2ln"),
			"an API key":     *bearer("usher_abc"),
			"the JSON form":  *bearer(`{"payload":"e30","signatures":[]}`),
			"a NATS jwt":     {NATSJWT: good},
			"a certificate":  {VerifiedChains: [][]string{{"x"}}},
			"a user's name":  {User: "alice"},
			"half a token":   *bearer(good[:20]),
			"a nkey's claim": {NKey: "U", Signature: "s", Nonce: "n"},
		},
		Secrets: strings.Split(good, "."),
	})
}

// Each type of token, and the tokens that are mistaken for it.
func TestTokenTypes(t *testing.T) {
	k := newKey(t, "k", "ES256")
	p := newProvider(t, k)
	access := func(change func(*oidc.Authority)) oidc.Authority {
		a := p.authority(t)
		change(&a)
		return a
	}
	strict := access(func(*oidc.Authority) {})
	lenient := access(func(a *oidc.Authority) { a.AnyTyp = true })
	clients := access(func(a *oidc.Authority) { a.AnyTyp, a.Clients = true, []string{"cli", "job"} })
	id := access(func(a *oidc.Authority) { a.TokenType = oidc.TypeID })
	idClients := access(func(a *oidc.Authority) { a.TokenType, a.Clients = oidc.TypeID, []string{"phone"} })
	plain := access(func(a *oidc.Authority) { a.TokenType = oidc.TypeJWT })
	kubernetes := access(func(a *oidc.Authority) { a.TokenType = oidc.TypeKubernetes })
	account := map[string]any{
		"client_id": nil, "sub": "system:serviceaccount:shop:web",
		"kubernetes.io": map[string]any{"namespace": "shop", "serviceaccount": map[string]any{"name": "web"}},
	}
	type changes = map[string]any
	for _, tt := range []struct {
		name      string
		authority oidc.Authority
		typ       string
		changes   changes
		code      string // empty: granted
	}{
		{"access", strict, "at+jwt", nil, ""},
		{"access, the long form", strict, "application/AT+JWT", nil, ""},
		{"access without typ", strict, "", nil, oidc.CodeTokenType},
		{"access without iat", strict, "at+jwt", changes{"iat": nil}, oidc.CodeClaims},

		{"any typ: none", lenient, "", changes{"client_id": nil, "jti": nil}, ""},
		{"any typ: JWT", lenient, "JWT", changes{"typ": "Bearer"}, ""},
		{"any typ: at+jwt", lenient, "at+jwt", changes{"jti": nil}, ""},
		{"any typ, with a nonce", lenient, "JWT", changes{"nonce": "n"}, oidc.CodeTokenType},
		{"any typ, with at_hash", lenient, "JWT", changes{"at_hash": "n"}, oidc.CodeTokenType},
		{"any typ, ID token of Keycloak", lenient, "JWT", changes{"typ": "ID"}, oidc.CodeTokenType},
		{"any typ, refresh token of Keycloak", lenient, "JWT", changes{"typ": "Refresh"}, oidc.CodeTokenType},
		{"any typ, a logout token", lenient, "JWT", changes{"events": changes{}}, oidc.CodeTokenType},
		{"any typ, a logout token by its header", lenient, "logout+jwt", nil, oidc.CodeTokenType},

		{"an allowed client", clients, "at+jwt", nil, ""},
		{"an allowed client, azp", clients, "JWT", changes{"client_id": nil, "azp": "job"}, ""},
		{"an allowed client, appid", clients, "JWT", changes{"client_id": nil, "appid": "job"}, ""},
		{"another client", clients, "at+jwt", changes{"client_id": "evil"}, oidc.CodeAudience},
		{"another client beside azp", clients, "at+jwt", changes{"client_id": "evil", "azp": "job"}, oidc.CodeAudience},
		{"a list of clients", clients, "at+jwt", changes{"client_id": []string{"cli"}}, oidc.CodeAudience},
		{"no client", clients, "JWT", changes{"client_id": nil}, oidc.CodeAudience},

		{"ID", id, "JWT", nil, ""},
		{"ID without typ, with a nonce", id, "", changes{"nonce": "n"}, ""},
		{"ID, issued to the audience", id, "", changes{"azp": "nats"}, ""},
		{"ID, issued to another", id, "", changes{"azp": "other"}, oidc.CodeAudience},
		{"ID, azp is a number", id, "", changes{"azp": 1}, oidc.CodeAudience},
		{"ID, two audiences", id, "", changes{"aud": []string{"nats", "other"}}, oidc.CodeAudience},
		{"ID, two audiences, issued to ours", id, "", changes{"aud": []string{"nats", "other"}, "azp": "nats"}, ""},
		{"ID, issued to an allowed client", idClients, "", changes{"azp": "phone"}, ""},
		{"ID, issued to a client that is not allowed", idClients, "", changes{"azp": "nats"}, oidc.CodeAudience},
		{"ID, issued to an audience that is not an allowed client", idClients, "", nil, oidc.CodeAudience},
		{"ID without iat", id, "JWT", changes{"iat": nil}, oidc.CodeClaims},
		{"an access token as ID token", id, "at+jwt", nil, oidc.CodeTokenType},
		{"a logout token as ID token", id, "JWT", changes{"events": changes{}}, oidc.CodeTokenType},

		{"JWT", plain, "", changes{"iat": nil, "client_id": nil, "aud": []string{"a", "nats"}}, ""},
		{"JOSE", plain, "JOSE", nil, ""},
		{"an access token as JWT", plain, "at+jwt", nil, oidc.CodeTokenType},

		{"Kubernetes", kubernetes, "", account, ""},
		{"Kubernetes, another subject", kubernetes, "", merged(account, changes{"sub": "system:serviceaccount:shop:admin"}), oidc.CodeClaims},
		{"Kubernetes, no claim", kubernetes, "", changes{"sub": "system:serviceaccount:shop:web"}, oidc.CodeClaims},
		{"Kubernetes, a text as claim", kubernetes, "", merged(account, changes{"kubernetes.io": "shop"}), oidc.CodeClaims},
		{"Kubernetes, an access token", kubernetes, "at+jwt", account, oidc.CodeTokenType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVerifier(t, start, tt.authority)
			token := k.raw(t, k.header(tt.typ), toJSON(t, claims(p.URL, tt.changes)))
			_, err := v.Verify(t.Context(), bearer(token))
			var r *tokens.Reason
			if tt.code == "" && err != nil || tt.code != "" && (!errors.As(err, &r) || r.Code != tt.code) {
				t.Errorf("got %v (%+v), want %q", err, r, tt.code)
			}
		})
	}
}

func merged(a, b map[string]any) map[string]any {
	c := maps.Clone(a)
	maps.Copy(c, b)
	return c
}

// The identity of a token, with its end and its claims.
func TestIdentity(t *testing.T) {
	k := newKey(t, "k", "EdDSA")
	p := newProvider(t, k)
	clock := newClock()
	a := p.authority(t)
	a.Required = map[string]string{"groups": "dev", "n": "7", "ok": "true", "x": oidc.AnyValue}
	v := newVerifier(t, clock.Now, a)
	of := map[string]any{"groups": []string{"ops", "dev"}, "n": 7, "ok": true, "x": "y"}
	c := &tokens.Credential{User: "project=shop", Password: k.token(t, claims(p.URL, of))}
	id, err := v.Verify(t.Context(), c)
	must(t, err)
	got, _ := id.Attributes["claims"].(map[string]any)
	if id.ID != "alice" || id.Name != "" || id.Authority != "main" || id.Method != identity.MethodOIDC || id.Selection.Project != "shop" ||
		!id.NotAfter.Equal(start().Add(time.Hour)) || !reflect.DeepEqual(got["groups"], []any{"ops", "dev"}) || got["n"] != 7.0 {
		t.Errorf("got %+v", id)
	}

	// In the leeway the grant does not end before it begins.
	clock.advance(time.Hour + 10*time.Second)
	if id, err = v.Verify(t.Context(), c); err != nil || !id.NotAfter.Equal(start().Add(time.Hour+oidc.DefaultLeeway)) {
		t.Errorf("in the leeway: until %v, %v", id.NotAfter, err)
	}
	// After it, the audit knows whose token it is, because its signature is good.
	clock.advance(20 * time.Second)
	var r *tokens.Reason
	if _, err = v.Verify(t.Context(), c); !errors.As(err, &r) || r.Code != oidc.CodeExpired || r.Identity.ID != "alice" {
		t.Errorf("after it: %+v, %v", r, err)
	}
	forged := newKey(t, "k", "EdDSA").token(t, claims(p.URL, of))
	if _, err = v.Verify(t.Context(), bearer(forged)); !errors.As(err, &r) || r.Code != oidc.CodeExpired || r.Identity.ID != "" {
		t.Errorf("a forged one: %+v, %v", r, err)
	}
}

func TestKubernetesFacts(t *testing.T) {
	k := newKey(t, "k", "RS256")
	p := newProvider(t, k)
	a := p.authority(t)
	a.TokenType = oidc.TypeKubernetes
	object := func(name string) map[string]any { return map[string]any{"name": name, "uid": name + "-uid"} }
	token := k.raw(t, k.header(""), toJSON(t, claims(p.URL, map[string]any{
		"sub": "system:serviceaccount:shop:web",
		"kubernetes.io": map[string]any{
			"namespace": "shop", "serviceaccount": object("web"), "pod": object("web-1"), "node": object("node-1"), "warnafter": 1,
		},
	})))
	id, err := newVerifier(t, start, a).Verify(t.Context(), bearer(token))
	want := map[string]any{
		"namespace": "shop", "service_account": "web", "service_account_uid": "web-uid",
		"pod": "web-1", "pod_uid": "web-1-uid", "node": "node-1", "node_uid": "node-1-uid",
	}
	if err != nil || id.Method != identity.MethodKubernetes || id.ID != "system:serviceaccount:shop:web" || !reflect.DeepEqual(id.Attributes["kubernetes"], want) {
		t.Errorf("got %+v, %v", id, err)
	}
}

// Every algorithm, with a key of its own.
func TestAlgorithms(t *testing.T) {
	var keys []key
	for _, alg := range jwt.Algorithms() {
		keys = append(keys, newKey(t, alg, alg))
	}
	p := newProvider(t)
	set := keySet(t, keys...)
	p.set(set, nil)
	a := p.authority(t)
	a.Algorithms = jwt.Algorithms()
	v := newVerifier(t, start, a)
	for _, k := range keys {
		if _, err := v.Verify(t.Context(), bearer(k.token(t, claims(p.URL, nil)))); err != nil {
			t.Errorf("%s: %v", k.alg, err)
		}
	}
}

// The test provider of go-oidc issues ID tokens that usher verifies, and so does its own
// verifier.
func TestAgainstGoOIDC(t *testing.T) {
	k := newKey(t, "k", "RS256")
	server := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: k.private.Public(), KeyID: k.kid, Algorithm: k.alg}}}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	server.SetIssuer(web.URL)
	a := newProvider(t).authority(t)
	a.Issuer, a.TokenType = web.URL, oidc.TypeID
	source := *a.Keys.Source.(*keyset.HTTP)
	source.Issuer = web.URL
	a.Keys.Source = &source
	token := oidctest.SignIDToken(k.private, k.kid, k.alg, toJSON(t, claims(web.URL, nil)))
	if id, err := newVerifier(t, start, a).Verify(t.Context(), bearer(token)); err != nil || id.ID != "alice" {
		t.Errorf("usher: %+v, %v", id, err)
	}
	ctx := oidclib.ClientContext(t.Context(), web.Client())
	theirs, err := oidclib.NewProvider(ctx, web.URL)
	must(t, err)
	if _, err := theirs.VerifierContext(ctx, &oidclib.Config{ClientID: "nats", Now: start}).Verify(ctx, token); err != nil {
		t.Errorf("go-oidc: %v", err)
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	p := newProvider(t)
	for want, change := range map[string]func(*oidc.Authority){
		"a name":         func(a *oidc.Authority) { a.Name = "" },
		"usher's own":    func(a *oidc.Authority) { a.Name = "directory" },
		"an issuer":      func(a *oidc.Authority) { a.Issuer = "" },
		"audience":       func(a *oidc.Authority) { a.Audiences = nil },
		"leeway":         func(a *oidc.Authority) { a.Leeway = time.Hour },
		"max_size":       func(a *oidc.Authority) { a.MaxSize = 1 << 20 },
		"token type":     func(a *oidc.Authority) { a.TokenType = "any" },
		"access tokens":  func(a *oidc.Authority) { a.TokenType, a.AnyTyp = oidc.TypeID, true },
		"none":           func(a *oidc.Authority) { a.Algorithms = []string{"RS256", "none"} },
		"HS256":          func(a *oidc.Authority) { a.Algorithms = []string{"HS256"} },
		"is none of ES2": func(a *oidc.Authority) { a.Algorithms = []string{"ES256K"} },
	} {
		a := p.authority(t)
		change(&a)
		if _, err := oidc.NewVerifier([]oidc.Authority{a}, start); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	a, b := p.authority(t), p.authority(t)
	b.Name = "second"
	if _, err := oidc.NewVerifier([]oidc.Authority{a, b}, start); err == nil || !strings.Contains(err.Error(), `"main"`) {
		t.Errorf("one issuer twice: %v", err)
	}
	if !slices.Equal(oidc.DefaultAlgorithms(), []string{"RS256", "ES256", "EdDSA"}) {
		t.Error("the default algorithms are in the documentation")
	}
}
