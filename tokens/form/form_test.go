package form_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/tokens/form"
)

func part(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestForms(t *testing.T) {
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
	nats, err := jwt.NewUserClaims(public).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	bearer := part(`{"alg":"RS256"}`) + "." + part(`{"iss":"https://id.example","exp":1.5e9}`) + ".c2ln"
	for _, tt := range []struct {
		name, token string
		own, isJWT  bool
		issuer      string // of Unverified; "-": it is not ok
	}{
		{"empty", "", false, false, "-"},
		{"an API key", "usher_abc", true, false, "-"},
		{"a health-check token", "HEALTHCHECK-x", true, false, "-"},
		{"a NATS JWT", nats, true, true, nkeyOf(account)},
		{"a bearer token", bearer, false, true, "https://id.example"},
		{"opaque", "abc.def.ghi", false, false, "-"},
		{"opaque with the beginning of a JWT", "eyJabc", false, false, "-"},
		{"without an issuer", part(`{}`) + "." + part(`{}`) + ".", false, true, ""},
		{"encrypted", part(`{"enc":"A256GCM"}`) + ".a.b.c.d", false, true, "-"},
		{"four parts", part(`{}`) + ".a.b.c", false, false, "-"},
		{"two parts", part(`{}`) + "." + part(`{}`), false, false, "-"},
		{"a header that is no object", part(`[]`) + "." + part(`{}`) + ".x", false, false, "-"},
		{"an issuer of the wrong type", part(`{}`) + "." + part(`{"iss":1}`) + ".x", false, true, "-"},
		{"padded", base64.URLEncoding.EncodeToString([]byte(`{"a":1}`)) + ".e30.x", false, false, "-"},
	} {
		c, ok := form.Unverified(tt.token)
		if form.Own(tt.token) != tt.own || form.IsJWT(tt.token) != tt.isJWT ||
			ok != (tt.issuer != "-") || ok && c.Issuer != tt.issuer {
			t.Errorf("%s: own %v, JWT %v, issuer %q, %v", tt.name, form.Own(tt.token), form.IsJWT(tt.token), c.Issuer, ok)
		}
	}
	if c, _ := form.Unverified(bearer); c.Expires.String() != "1.5e9" {
		t.Errorf("exp %q", c.Expires)
	}
}

func nkeyOf(k nkeys.KeyPair) string {
	public, _ := k.PublicKey()
	return public
}

func FuzzForms(f *testing.F) {
	for _, text := range []string{"", "usher_x", "HEALTHCHECK-", "e30.e30.", "e30.a.b.c.d", "eyJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.x", "...", "e30"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, ok := form.Unverified(text)
		if ok && !form.IsJWT(text) {
			t.Error("claims of a text that is no JWT")
		}
		if form.IsJWT(text) && strings.Count(text, ".")%2 != 0 {
			t.Error("a JWT with an even number of parts")
		}
	})
}
