package introspection

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

func natsJWT(t *testing.T) string {
	t.Helper()
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.NewUserClaims(public).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestForm(t *testing.T) {
	bearerJWT := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + ".e30.c2lnbmF0dXJl"
	nats := natsJWT(t)
	const opaque = "mF_9.B5f-4.1JqM~+/kX"
	tests := []struct {
		name    string
		form    Form
		yes, no []string
	}{
		{
			"any opaque token",
			Form{},
			[]string{opaque, opaque + "==", "0123456789abcdef", strings.Repeat("x", maxToken)},
			[]string{"", "0123456789abcde", bearerJWT, nats, "usher_0123456789abcdef", "HEALTHCHECK-0123456789", "two words and a password", "correct!horse!battery", opaque + "=x", "naïve-0123456789abc", strings.Repeat("x", maxToken+1), "new\nline-0123456789"},
		},
		{
			"prefix",
			Form{Prefix: "gho_"},
			[]string{"gho_x", "gho_a!b"},
			[]string{"gho", "xgho_abc0123456789", opaque, "gho_ x", "gho_ü", "usher_gho_0123456789", nats, strings.Repeat("gho_", maxToken)},
		},
		{"pattern", Form{Pattern: `[0-9]+\|[a-z]+|x`}, []string{"1|abc", "x"}, []string{"1|abcD", "a1|abc", "xx", opaque}},
		{"pattern of lines", Form{Pattern: `(?m)a$`}, []string{"a"}, []string{"a\nb", "ab"}},
		{"prefix and pattern", Form{Prefix: "p", Pattern: `.{3}`}, []string{"pab"}, []string{"abc", "pabc"}},
		{"pattern of everything", Form{Pattern: `(?s).*`}, []string{"a", opaque}, []string{"", "usher_x", "HEALTHCHECK-x", nats, bearerJWT}},
		{"JWT", Form{JWT: true}, []string{bearerJWT, opaque}, []string{nats}},
	}
	for _, tt := range tests {
		f, err := tt.form.compile()
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for _, token := range tt.yes {
			if !f.accepts(token) {
				t.Errorf("%s: does not accept %.60q", tt.name, token)
			}
		}
		for _, token := range tt.no {
			if f.accepts(token) {
				t.Errorf("%s: accepts %.60q", tt.name, token)
			}
		}
	}
	for _, f := range []Form{{Prefix: "a b"}, {Prefix: "ü"}, {Prefix: "usher_"}, {Prefix: "HEALTHCHECK-"}, {Pattern: "("}, {Pattern: ")|("}, {Pattern: "(?:(?:a{1000}){1000}){1000}"}} {
		if _, err := f.compile(); err == nil {
			t.Errorf("accepts %+v", f)
		}
	}
}
