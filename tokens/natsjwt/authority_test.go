package natsjwt_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/tokens"
	"usher/tokens/natsjwt"
)

const nonce = "CAGu84mlQjtqYzI"

func now() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

// pair is a key and its public form.
type pair struct {
	nkeys.KeyPair
	public string
}

func newPair(tb testing.TB, prefix nkeys.PrefixByte) pair {
	tb.Helper()
	kp, err := nkeys.CreatePair(prefix)
	must(tb, err)
	public, err := kp.PublicKey()
	must(tb, err)
	return pair{kp, public}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// authority is an operator with an account, its signing keys and a user.
type authority struct {
	operator, account, signing, scoped, user pair
	dir                                      string
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	a := &authority{
		newPair(tb, nkeys.PrefixByteOperator), newPair(tb, nkeys.PrefixByteAccount), newPair(tb, nkeys.PrefixByteAccount),
		newPair(tb, nkeys.PrefixByteAccount), newPair(tb, nkeys.PrefixByteUser), tb.TempDir(),
	}
	a.writeAccount(tb, a.operator, nil)
	return a
}

// writeAccount writes the JWT of the account.
func (a *authority) writeAccount(tb testing.TB, by pair, change func(*jwt.AccountClaims)) {
	tb.Helper()
	c := jwt.NewAccountClaims(a.account.public)
	c.Name = "people"
	c.SigningKeys.Add(a.signing.public)
	scope := jwt.NewUserScope()
	scope.Key, scope.Role = a.scoped.public, "reader"
	scope.Template.Src = jwt.CIDRList{"10.0.0.0/8"}
	c.SigningKeys.AddScopedSigner(scope)
	if change != nil {
		change(c)
	}
	text, err := c.Encode(by)
	must(tb, err)
	must(tb, os.WriteFile(filepath.Join(a.dir, a.account.public+".jwt"), []byte(text), 0o600))
}

// userJWT returns a JWT of the user.
func (a *authority) userJWT(tb testing.TB, by pair, change func(*jwt.UserClaims)) string {
	tb.Helper()
	c := jwt.NewUserClaims(a.user.public)
	c.Name = "pia"
	if by.public != a.account.public {
		c.IssuerAccount = a.account.public
	}
	if change != nil {
		change(c)
	}
	text, err := c.Encode(by)
	must(tb, err)
	return text
}

// credential returns what a client with this JWT presents.
func (a *authority) credential(tb testing.TB, text string) tokens.Credential {
	tb.Helper()
	sig, err := a.user.Sign([]byte(nonce))
	must(tb, err)
	c := tokens.Credential{NATSJWT: text, Nonce: nonce, Signature: base64.RawURLEncoding.EncodeToString(sig), Host: "10.1.2.3"}
	c.Connection.Types = []string{jwt.ConnectionTypeStandard, jwt.ConnectionTypeInProcess}
	return c
}

func (a *authority) config() natsjwt.Config {
	return natsjwt.Config{Name: "people", Operators: []string{a.operator.public}, Dir: a.dir, Leeway: 5 * time.Second, Now: now}
}

func newVerifier(tb testing.TB, cfg natsjwt.Config) *natsjwt.Verifier {
	tb.Helper()
	v, err := natsjwt.NewVerifier(cfg)
	must(tb, err)
	return v
}
