package oidc_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"usher/tokens"
	"usher/tokens/oidc"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// A logout token is verified as OpenID Connect Back-Channel Logout 1.0 section 2.6 requires,
// and nothing else is taken for one.
//
// Attack: somebody logs others out with a token that was issued for something else, long ago, or by nobody
// Held by: one form of logout tokens, of the authority's own keys, for a configured client
func TestLogoutTokens(t *testing.T) {
	good, other := newKey(t, "rsa", "RS256"), newKey(t, "rsa", "RS256")
	p := newProvider(t)
	p.set(toJSON(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{good.public()}}), nil)
	a := p.authority(t)
	a.Algorithms, a.MaxSize, a.Logout, a.LogoutAudiences = []string{"RS256"}, 4096, true, []string{"usher-login"}
	silent := p.authority(t)
	silent.Name, silent.Issuer = "silent", "https://silent.example.org"
	v := newVerifier(t, start, a, silent)

	at := func(d time.Duration) int64 { return start().Add(d).Unix() }
	with := func(changes map[string]any) map[string]any {
		c := map[string]any{
			"iss": p.URL, "aud": "usher-login", "iat": at(0), "exp": at(2 * time.Minute), "jti": "j1", "sub": "grace", "sid": "s1",
			"events": map[string]any{logoutEvent: map[string]any{}},
		}
		for name, value := range changes {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
		return c
	}
	text := func(k key, typ string, changes map[string]any) string {
		return k.raw(t, k.header(typ), toJSON(t, with(changes)))
	}
	for name, token := range map[string]string{
		"all claims":      text(good, "logout+jwt", nil),
		"a media type":    text(good, "application/logout+jwt", nil),
		"no typ":          text(good, "", nil),
		"sub alone":       text(good, "JWT", map[string]any{"sid": nil}),
		"sid alone":       text(good, "JWT", map[string]any{"sub": nil}),
		"one of two":      text(good, "JWT", map[string]any{"aud": []any{"x", "usher-login"}}),
		"repeated by it":  text(good, "JWT", map[string]any{"iat": at(-9 * time.Minute)}),
		"other claims":    text(good, "JWT", map[string]any{"trace": "x"}),
		"a clock that is": text(good, "JWT", map[string]any{"iat": at(10 * time.Second)}),
	} {
		got, err := v.VerifyLogout(t.Context(), token)
		if err != nil || string(got.Authority) != a.Name || got.Subject+got.SessionID == "" || got.TokenID != "j1" || got.Issued.IsZero() {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if _, err := v.Verify(t.Context(), bearer(token)); !errors.Is(err, tokens.ErrRejected) {
			t.Errorf("%s: as a credential: %v", name, err)
		}
	}
	for _, kind := range []oidc.TokenType{oidc.TypeAccess, oidc.TypeID, oidc.TypeJWT} {
		other := a
		other.TokenType, other.Audiences, other.AnyTyp = kind, []string{"usher-login"}, kind == oidc.TypeAccess
		var reason *tokens.Reason
		_, err := newVerifier(t, start, other).Verify(t.Context(), bearer(text(good, "", nil)))
		if !errors.As(err, &reason) || reason.Code != oidc.CodeTokenType {
			t.Errorf("as a credential of type %s: %v", kind, err)
		}
	}
	access := claims(p.URL, nil)
	parts := strings.Split(text(good, "logout+jwt", nil), ".")
	for _, tt := range []struct{ name, token, code string }{
		{"no signature", encode(`{"alg":"none"}`) + "." + parts[1] + ".", oidc.CodeAlgorithm},
		{"HMAC", encode(`{"alg":"HS256"}`) + "." + parts[1] + "." + parts[2], oidc.CodeAlgorithm},
		{"another key", text(other, "logout+jwt", nil), oidc.CodeSignature},
		{"another audience", text(good, "logout+jwt", map[string]any{"aud": "shop"}), oidc.CodeAudience},
		{"the audience of access tokens", text(good, "logout+jwt", map[string]any{"aud": "nats"}), oidc.CodeAudience},
		{"no audience", text(good, "logout+jwt", map[string]any{"aud": nil}), oidc.CodeAudience},
		{"an unknown issuer", text(good, "logout+jwt", map[string]any{"iss": "https://evil.example.org"}), oidc.CodeIssuerUnknown},
		{"an authority without logout", text(good, "logout+jwt", map[string]any{"iss": silent.Issuer}), oidc.CodeIssuerUnknown},
		{"an access token", good.token(t, access), oidc.CodeTokenType},
		{"an ID token", text(good, "JWT", map[string]any{"events": nil, "nonce": "n"}), oidc.CodeTokenType},
		{"a nonce", text(good, "logout+jwt", map[string]any{"nonce": "n"}), oidc.CodeTokenType},
		{"no event", text(good, "logout+jwt", map[string]any{"events": nil}), oidc.CodeTokenType},
		{"another event", text(good, "logout+jwt", map[string]any{"events": map[string]any{"https://x": map[string]any{}}}), oidc.CodeTokenType},
		{"an event that is no object", text(good, "logout+jwt", map[string]any{"events": map[string]any{logoutEvent: true}}), oidc.CodeTokenType},
		{"events as a list", text(good, "logout+jwt", map[string]any{"events": []any{logoutEvent}}), oidc.CodeTokenType},
		{"nobody", text(good, "logout+jwt", map[string]any{"sub": nil, "sid": nil}), oidc.CodeClaims},
		{"an empty sid", text(good, "logout+jwt", map[string]any{"sid": ""}), oidc.CodeClaims},
		{"a sub that is a list", text(good, "logout+jwt", map[string]any{"sub": []any{"grace"}}), oidc.CodeClaims},
		{"no jti", text(good, "logout+jwt", map[string]any{"jti": nil}), oidc.CodeClaims},
		{"no iat", text(good, "logout+jwt", map[string]any{"iat": nil}), oidc.CodeClaims},
		{"no exp", text(good, "logout+jwt", map[string]any{"exp": nil}), oidc.CodeClaims},
		{"expired", text(good, "logout+jwt", map[string]any{"exp": at(-time.Hour)}), oidc.CodeExpired},
		{"of yesterday", text(good, "logout+jwt", map[string]any{"iat": at(-24 * time.Hour)}), oidc.CodeExpired},
		{"of tomorrow", text(good, "logout+jwt", map[string]any{"iat": at(24 * time.Hour), "exp": at(25 * time.Hour)}), oidc.CodeNotYetValid},
		{"too large", text(good, "logout+jwt", map[string]any{"x": strings.Repeat("x", 4096)}), oidc.CodeTooLarge},
		{"five parts", "ey.ey.ey.ey.ey", oidc.CodeMalformed},
		{"nothing", "", oidc.CodeMalformed},
	} {
		got, err := v.VerifyLogout(t.Context(), tt.token)
		var reason *tokens.Reason
		if !errors.As(err, &reason) || reason.Code != tt.code || got != (oidc.Logout{}) {
			t.Errorf("%s: %+v, %v, want %s", tt.name, got, err, tt.code)
		}
	}
}

// A logout token is not refused while the keys cannot be fetched.
func TestLogoutWithoutKeys(t *testing.T) {
	k := newKey(t, "rsa", "RS256")
	p := newProvider(t)
	a := p.authority(t)
	a.Logout = true
	v := newVerifier(t, start, a)
	p.Close()
	token := k.raw(t, k.header("logout+jwt"), toJSON(t, map[string]any{
		"iss": p.URL, "aud": a.Audiences[0], "iat": start().Unix(), "exp": start().Add(time.Minute).Unix(), "jti": "j", "sub": "grace",
		"events": map[string]any{logoutEvent: map[string]any{}},
	}))
	if _, err := v.VerifyLogout(t.Context(), token); !errors.Is(err, tokens.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
