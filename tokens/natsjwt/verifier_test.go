package natsjwt_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/conformance"
	"usher/tokens/natsjwt"
)

func codeOf(err error) string {
	var r *tokens.Reason
	switch {
	case err == nil:
		return ""
	case errors.As(err, &r):
		return r.Code
	case errors.Is(err, tokens.ErrNotApplicable):
		return "not applicable"
	case errors.Is(err, tokens.ErrUnavailable):
		return "unavailable"
	default:
		return err.Error()
	}
}

func bearer(c *jwt.UserClaims) { c.BearerToken = true }

func TestConformance(t *testing.T) {
	a := newAuthority(t)
	text := a.userJWT(t, a.account, nil)
	conformance.Run(t, conformance.Kind{
		New: func(t *testing.T, _ func() *snapshot.Snapshot) tokens.Verifier {
			t.Helper()
			return newVerifier(t, a.config())
		},
		Method: identity.MethodNATSJWT, Authority: "people",
		Good: a.credential(t, text),
		Bad: map[string]tokens.Credential{
			natsjwt.CodeMalformed: a.credential(t, text+"x"),
			natsjwt.CodeIssuer:    a.credential(t, a.userJWT(t, newPair(t, nkeys.PrefixByteAccount), nil)),
			natsjwt.CodeSignature: {NATSJWT: text},
			natsjwt.CodeExpired:   a.credential(t, a.userJWT(t, a.account, func(c *jwt.UserClaims) { c.Expires = now().Unix() })),
		},
		Not: map[string]tokens.Credential{
			"a bearer JWT":          {NATSJWT: a.userJWT(t, a.account, bearer)},
			"the JWT beside a key":  {NATSJWT: text, AuthToken: "an API key"},
			"the JWT beside a user": {NATSJWT: text, User: "pia", Password: "x"},
			"the JWT beside nkeys":  {NATSJWT: text, NKey: a.user.public},
			"a JWT as a token":      {AuthToken: text},
		},
		Secrets: []string{text, a.credential(t, text).Signature},
	})
}

// Each restriction of the user JWT, of its scoped signing key and of its account is
// respected.
func TestRestrictions(t *testing.T) {
	a := newAuthority(t)
	for name, tt := range map[string]struct {
		by     pair
		change func(*jwt.UserClaims)
		code   string
	}{
		"an account":               {a.account, nil, ""},
		"a signing key":            {a.signing, nil, ""},
		"a scoped signing key":     {a.scoped, func(c *jwt.UserClaims) { c.SetScoped(true) }, ""},
		"limits beside a scope":    {a.scoped, nil, natsjwt.CodeIssuer},
		"another's signing key":    {newPair(t, nkeys.PrefixByteAccount), nil, natsjwt.CodeIssuer},
		"another account":          {a.signing, func(c *jwt.UserClaims) { c.IssuerAccount = newPair(t, nkeys.PrefixByteAccount).public }, natsjwt.CodeIssuer},
		"the operator as account":  {a.signing, func(c *jwt.UserClaims) { c.IssuerAccount = "" }, natsjwt.CodeIssuer},
		"ends later":               {a.account, func(c *jwt.UserClaims) { c.Expires = now().Unix() + 1 }, ""},
		"begins within the leeway": {a.account, func(c *jwt.UserClaims) { c.NotBefore = now().Unix() + 5 }, ""},
		"begins later":             {a.account, func(c *jwt.UserClaims) { c.NotBefore = now().Unix() + 6 }, natsjwt.CodeNotYetValid},
		"its network":              {a.account, func(c *jwt.UserClaims) { c.Src = jwt.CIDRList{"192.0.2.0/24", "10.1.0.0/16"} }, ""},
		"another network":          {a.account, func(c *jwt.UserClaims) { c.Src = jwt.CIDRList{"192.0.2.0/24"} }, natsjwt.CodeNetwork},
		"its time": {a.account, func(c *jwt.UserClaims) {
			c.Locale, c.Times = "UTC", []jwt.TimeRange{{Start: "11:00:00", End: "13:00:00"}}
		}, ""},
		"over midnight": {a.account, func(c *jwt.UserClaims) {
			c.Locale, c.Times = "UTC", []jwt.TimeRange{{Start: "13:00:00", End: "12:30:00"}}
		}, ""},
		"another time": {a.account, func(c *jwt.UserClaims) {
			c.Locale, c.Times = "UTC", []jwt.TimeRange{{Start: "13:00:00", End: "11:00:00"}}
		}, natsjwt.CodeTimes},
		"the time of another place": {a.account, func(c *jwt.UserClaims) {
			c.Locale, c.Times = "Asia/Tokyo", []jwt.TimeRange{{Start: "11:00:00", End: "13:00:00"}}
		}, natsjwt.CodeTimes},
		"a place that is unknown": {a.account, func(c *jwt.UserClaims) {
			c.Locale, c.Times = "Nowhere", []jwt.TimeRange{{Start: "11:00:00", End: "13:00:00"}}
		}, natsjwt.CodeTimes},
		"its connection":             {a.account, func(c *jwt.UserClaims) { c.AllowedConnectionTypes.Add("websocket", "standard") }, ""},
		"another connection":         {a.account, func(c *jwt.UserClaims) { c.AllowedConnectionTypes.Add(jwt.ConnectionTypeMqtt) }, natsjwt.CodeConnection},
		"a connection nobody knows":  {a.account, func(c *jwt.UserClaims) { c.AllowedConnectionTypes.Add("PIGEON") }, natsjwt.CodeConnection},
		"a proxy":                    {a.account, func(c *jwt.UserClaims) { c.ProxyRequired = true }, natsjwt.CodeConnection},
		"a bearer JWT, and unwanted": {a.account, bearer, "not applicable"},
	} {
		c := a.credential(t, a.userJWT(t, tt.by, tt.change))
		v := newVerifier(t, a.config())
		for range 2 { // again, from what is kept
			id, err := v.Verify(t.Context(), &c)
			if codeOf(err) != tt.code {
				t.Errorf("%s: %v, want %q", name, err, tt.code)
			}
			if err == nil && (id.ID != a.user.public || id.Attributes["nats"].(map[string]any)["account"] != a.account.public) {
				t.Errorf("%s: %+v", name, id)
			}
		}
	}
	c := a.credential(t, a.userJWT(t, a.account, func(c *jwt.UserClaims) {
		c.Expires, c.Locale, c.Times = now().Add(2*time.Hour).Unix(), "UTC", []jwt.TimeRange{{Start: "11:00:00", End: "13:00:00"}}
	}))
	if id, err := newVerifier(t, a.config()).Verify(t.Context(), &c); err != nil || !id.NotAfter.Equal(now().Add(time.Hour)) {
		t.Errorf("ends at %v, %v", id.NotAfter, err)
	}
	c = a.credential(t, a.userJWT(t, a.scoped, func(c *jwt.UserClaims) { c.SetScoped(true) }))
	c.Host = "192.0.2.1"
	if _, err := newVerifier(t, a.config()).Verify(t.Context(), &c); codeOf(err) != natsjwt.CodeNetwork {
		t.Errorf("the network of the scope: %v", err)
	}
}

// What the account JWT says counts, from the moment at which it is read.
func TestAccounts(t *testing.T) {
	issued := time.Now().Unix() // what Encode states
	for name, tt := range map[string]struct {
		change func(*jwt.AccountClaims)
		by     func(*authority) pair
		code   string
	}{
		"as it is":            {nil, nil, ""},
		"no bearer JWTs":      {func(c *jwt.AccountClaims) { c.Limits.DisallowBearer = true }, nil, ""},
		"expired":             {func(c *jwt.AccountClaims) { c.Expires = now().Unix() }, nil, natsjwt.CodeExpired},
		"all users revoked":   {func(c *jwt.AccountClaims) { c.Revocations = jwt.RevocationList{jwt.All: issued + 60} }, nil, natsjwt.CodeRevoked},
		"earlier ones":        {func(c *jwt.AccountClaims) { c.Revocations = jwt.RevocationList{jwt.All: issued - 60} }, nil, ""},
		"of another operator": {nil, func(*authority) pair { return newPair(t, nkeys.PrefixByteOperator) }, natsjwt.CodeIssuer},
		"signed by itself":    {nil, func(a *authority) pair { return a.account }, natsjwt.CodeIssuer},
	} {
		a := newAuthority(t)
		by := a.operator
		if tt.by != nil {
			by = tt.by(a)
		}
		a.writeAccount(t, by, tt.change)
		c := a.credential(t, a.userJWT(t, a.account, nil))
		if _, err := newVerifier(t, a.config()).Verify(t.Context(), &c); codeOf(err) != tt.code {
			t.Errorf("%s: %v, want %q", name, err, tt.code)
		}
	}
	a := newAuthority(t)
	a.writeAccount(t, a.operator, func(c *jwt.AccountClaims) { c.Revocations = jwt.RevocationList{a.user.public: issued + 60} })
	c := a.credential(t, a.userJWT(t, a.account, nil))
	if _, err := newVerifier(t, a.config()).Verify(t.Context(), &c); codeOf(err) != natsjwt.CodeRevoked {
		t.Errorf("the user revoked: %v", err)
	}
}

// An account can be trusted without an operator. Its signing keys then are not.
//
// Attack: a user JWT of a signing key that its account has dropped
// Held by: signing keys count only by the account JWT that a trusted operator signed
func TestAccountsWithoutOperator(t *testing.T) {
	a := newAuthority(t)
	cfg := a.config()
	cfg.Operators, cfg.Dir, cfg.Accounts = nil, "", []string{a.account.public}
	v := newVerifier(t, cfg)
	for by, code := range map[pair]string{a.account: "", a.signing: natsjwt.CodeIssuer, newPair(t, nkeys.PrefixByteAccount): natsjwt.CodeIssuer} {
		c := a.credential(t, a.userJWT(t, by, nil))
		if _, err := v.Verify(t.Context(), &c); codeOf(err) != code {
			t.Errorf("%v, want %q", err, code)
		}
	}
	cfg = a.config()
	cfg.Accounts = []string{newPair(t, nkeys.PrefixByteAccount).public}
	c := a.credential(t, a.userJWT(t, a.account, nil))
	if _, err := newVerifier(t, cfg).Verify(t.Context(), &c); codeOf(err) != natsjwt.CodeIssuer {
		t.Errorf("an account that is not among those wanted: %v", err)
	}
}

// A JWT that needs no signature is a credential only where the configuration says so, and
// one of a sentinel never is.
func TestBearer(t *testing.T) {
	a := newAuthority(t)
	cfg := a.config()
	cfg.Bearer = true
	unsigned := tokens.Credential{NATSJWT: a.userJWT(t, a.account, bearer)}
	if _, err := newVerifier(t, cfg).Verify(t.Context(), &unsigned); err != nil {
		t.Error(err)
	}
	if _, err := newVerifier(t, cfg).Verify(t.Context(), &tokens.Credential{NATSJWT: a.userJWT(t, newPair(t, nkeys.PrefixByteAccount), bearer)}); codeOf(err) != natsjwt.CodeIssuer {
		t.Errorf("of an unknown account: %v", err)
	}
	cfg.Sentinels = []string{a.user.public}
	signed := a.credential(t, a.userJWT(t, a.account, nil))
	for _, c := range []tokens.Credential{unsigned, signed} {
		if _, err := newVerifier(t, cfg).Verify(t.Context(), &c); codeOf(err) != "not applicable" {
			t.Errorf("a sentinel: %v", err)
		}
	}
	a.writeAccount(t, a.operator, func(c *jwt.AccountClaims) { c.Limits.DisallowBearer = true })
	cfg.Sentinels = nil
	if _, err := newVerifier(t, cfg).Verify(t.Context(), &unsigned); codeOf(err) != natsjwt.CodeIssuer {
		t.Errorf("the account forbids it: %v", err)
	}
}

// A changed account JWT takes effect without a restart. A file that cannot be read leaves
// the last good ones in force, and an issuer that these do not have is not denied.
func TestReload(t *testing.T) {
	a := newAuthority(t)
	v := newVerifier(t, a.config())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		v.Run(ctx)
		close(ended)
	}()
	c := a.credential(t, a.userJWT(t, a.account, nil))
	expect := func(what, code string) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for {
			copied := c
			_, err := v.Verify(t.Context(), &copied)
			if codeOf(err) == code {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v, want %q", what, err, code)
			}
			<-time.After(10 * time.Millisecond)
		}
	}
	expect("at first", "")
	a.writeAccount(t, a.operator, func(c *jwt.AccountClaims) { c.Revocations = jwt.RevocationList{jwt.All: time.Now().Unix() + 60} })
	expect("revoked", natsjwt.CodeRevoked)
	must(t, os.WriteFile(filepath.Join(a.dir, "damaged.jwt"), []byte("x"), 0o600))
	known := c
	c = a.credential(t, a.userJWT(t, newPair(t, nkeys.PrefixByteAccount), func(c *jwt.UserClaims) { c.IssuerAccount = "" }))
	expect("an account that may be new", "unavailable")
	if s := v.Status(); s.Backends[0].Up || !strings.Contains(s.Backends[0].Error, "damaged.jwt") {
		t.Errorf("%+v", s)
	}
	c = known
	expect("still revoked", natsjwt.CodeRevoked)
	cancel()
	<-ended
	if _, err := natsjwt.NewVerifier(a.config()); err == nil {
		t.Error("starts with a damaged file")
	}
}

// FuzzJWT: no text is accepted but the user JWT of the account.
func FuzzJWT(f *testing.F) {
	a := newAuthority(f)
	good := a.userJWT(f, a.account, nil)
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		good, good + ".", good + "=", "." + good, parts[0] + "." + parts[1] + ".", parts[0] + ".e30." + parts[2], "", "...",
		"eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0." + parts[1] + ".", "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5In0." + parts[1] + "." + parts[2],
		a.userJWT(f, a.account, bearer), a.userJWT(f, newPair(f, nkeys.PrefixByteAccount), nil),
	} {
		f.Add(seed)
	}
	v := newVerifier(f, a.config())
	f.Fuzz(func(t *testing.T, text string) {
		c := a.credential(t, text)
		id, _, err := tokens.Chain{v}.Verify(t.Context(), &c, nil)
		switch {
		case err == nil && id.ID != a.user.public:
			t.Fatalf("accepted %q", text)
		case err != nil && !errors.Is(err, tokens.ErrRejected) && !errors.Is(err, tokens.ErrNotApplicable):
			t.Fatal(err)
		}
	})
}

// BenchmarkVerify compares with one ed25519 verification: that of the nonce. That
// of the JWT is kept.
func BenchmarkVerify(b *testing.B) {
	a := newAuthority(b)
	v := newVerifier(b, a.config())
	c := a.credential(b, a.userJWT(b, a.account, nil))
	raw, err := nkeys.Decode(nkeys.PrefixByteUser, []byte(a.user.public))
	must(b, err)
	sig, err := a.user.Sign([]byte(nonce))
	must(b, err)
	conformance.Compare(b, func() bool {
		copied := c
		_, err := v.Verify(b.Context(), &copied)
		return err == nil
	}, func() bool { return ed25519.Verify(raw, []byte(nonce), sig) })
}
