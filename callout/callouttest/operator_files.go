package callouttest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/issuer"
	"usher/issuer/keyring"
)

func (o *Operator) createKeys(tb testing.TB) {
	tb.Helper()
	pair := func(create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
		kp, err := create()
		Must(tb, err)
		return kp
	}
	o.Key, o.SigningKey = pair(nkeys.CreateOperator), pair(nkeys.CreateOperator)
	for _, name := range OperatorAccounts() {
		o.Identity[name] = pair(nkeys.CreateAccount)
		_, o.Accounts[name] = encode(tb, o.Identity[name])
		if name != SystemAccount {
			o.Signing[name] = NewKeys(tb)
		}
	}
	for role := range o.cfg.Scoped {
		o.Signing[AppAccount+"/"+role] = NewKeys(tb)
	}
	o.XKey = NewKeys(tb)
	Must(tb, os.MkdirAll(o.Keyring, 0o700))
	Must(tb, os.MkdirAll(filepath.Join(o.JWTDir, "accounts"), 0o700))
	seed, _ := encode(tb, o.SigningKey)
	o.SigningKeyFile = filepath.Join(o.Dir, "operator-signing.nk")
	WriteSeed(tb, o.SigningKeyFile, seed)
}

func (o *Operator) createOperator(tb testing.TB) {
	tb.Helper()
	_, public := encode(tb, o.Key)
	_, signing := encode(tb, o.SigningKey)
	c := jwt.NewOperatorClaims(public)
	c.Name = "test"
	c.SigningKeys.Add(signing)
	c.SystemAccount = o.Accounts[SystemAccount]
	o.edit("operator", c)
	text, err := c.Encode(o.Key)
	Must(tb, err)
	Must(tb, os.WriteFile(filepath.Join(o.JWTDir, "operator.jwt"), []byte(text), 0o600))
}

// ReplaceSigningKey replaces SigningKey by a new key, and adds that to the operator JWT
// on disk. Servers do not know it until they restart.
func (o *Operator) ReplaceSigningKey(tb testing.TB) {
	tb.Helper()
	path := filepath.Join(o.JWTDir, "operator.jwt")
	text, err := os.ReadFile(path)
	Must(tb, err)
	c, err := jwt.DecodeOperatorClaims(string(text))
	Must(tb, err)
	o.SigningKey, err = nkeys.CreateOperator()
	Must(tb, err)
	seed, public := encode(tb, o.SigningKey)
	c.SigningKeys.Add(public)
	signed, err := c.Encode(o.Key)
	Must(tb, err)
	Must(tb, os.WriteFile(path, []byte(signed), 0o600))
	WriteSeed(tb, o.SigningKeyFile, seed)
}

func (o *Operator) edit(name string, c jwt.Claims) {
	if o.cfg.Edit != nil {
		o.cfg.Edit(name, c)
	}
}

// AccountClaims returns the initial claims of an account.
func (o *Operator) AccountClaims(tb testing.TB, name string) *jwt.AccountClaims {
	tb.Helper()
	c := jwt.NewAccountClaims(o.Accounts[name])
	c.Name = name
	if k, ok := o.Signing[name]; ok {
		c.SigningKeys.Add(k.Issuer)
	}
	switch name {
	case CalloutAccount:
		c.Authorization.AuthUsers.Add(o.userKey(tb, ServiceUser))
		c.Authorization.AllowedAccounts.Add(o.Accounts[AppAccount], o.Accounts[OtherAccount], o.Accounts[HealthAccount])
		if o.cfg.Sealed {
			c.Authorization.XKey = o.XKey.XKey
		}
	case AppAccount, OtherAccount:
		c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	}
	if name == AppAccount {
		for role, template := range o.cfg.Scoped {
			scope := jwt.NewUserScope()
			scope.Key, scope.Role, scope.Template = o.Signing[AppAccount+"/"+role].Issuer, role, template
			c.SigningKeys.AddScopedSigner(scope)
		}
	}
	o.edit(name, c)
	return c
}

// WriteAccount signs the claims of an account and writes the JWT to JWTDir, from which
// servers preload it. It returns the JWT.
func (o *Operator) WriteAccount(tb testing.TB, name string, c *jwt.AccountClaims) string {
	tb.Helper()
	text, err := c.Encode(o.SigningKey)
	Must(tb, err)
	Must(tb, os.WriteFile(o.accountFile(name), []byte(text), 0o600))
	return text
}

func (o *Operator) accountFile(name string) string {
	return filepath.Join(o.JWTDir, "accounts", name+".jwt")
}

// ReadAccount returns the claims of an account in JWTDir.
func (o *Operator) ReadAccount(tb testing.TB, name string) *jwt.AccountClaims {
	tb.Helper()
	text, err := os.ReadFile(o.accountFile(name))
	Must(tb, err)
	c, err := jwt.DecodeAccountClaims(string(text))
	Must(tb, err)
	return c
}

// PushAccount writes the claims of an account, pushes them to all servers, and waits
// until all have accepted them.
func (o *Operator) PushAccount(tb testing.TB, name string, c *jwt.AccountClaims) {
	tb.Helper()
	text := o.WriteAccount(tb, name, c)
	nc := o.ConnectSystem(tb)
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	Must(tb, err)
	Must(tb, nc.PublishRequest("$SYS.REQ.CLAIMS.UPDATE", inbox, []byte(text)))
	for range o.Servers {
		m, err := sub.NextMsg(10 * time.Second)
		Must(tb, err)
		if !strings.Contains(string(m.Data), `"code":200`) {
			tb.Fatalf("push of %s: %s", name, m.Data)
		}
	}
	nc.Close()
}

// userKey returns the public key of a user. It creates the seed in Dir if it is
// missing.
func (o *Operator) userKey(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join(o.Dir, name+".user.nk")
	seed, err := os.ReadFile(path)
	if err != nil {
		kp, err := nkeys.CreateUser()
		Must(tb, err)
		text, public := encode(tb, kp)
		WriteSeed(tb, path, text)
		return public
	}
	kp, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
	Must(tb, err)
	_, public := encode(tb, kp)
	return public
}

func (o *Operator) createUsers(tb testing.TB) {
	tb.Helper()
	o.SentinelJWT, o.SentinelCreds = o.user(tb, "sentinel", CalloutAccount)
	_, o.ServiceCreds = o.user(tb, ServiceUser, CalloutAccount)
	_, o.SystemCreds = o.user(tb, SystemUser, SystemAccount)
	_, o.AdminCreds = o.user(tb, AdminUser, AppAccount)
}

// user creates a user of an account, signed by the account's own key. It returns the
// user JWT and the path of the creds file.
func (o *Operator) user(tb testing.TB, name, account string) (text, creds string) {
	tb.Helper()
	c := jwt.NewUserClaims(o.userKey(tb, name))
	c.Name = name
	if name == "sentinel" {
		c.BearerToken = true
		c.Pub.Deny.Add(">")
		c.Sub.Deny.Add(">")
	}
	o.edit(name, c)
	text, err := c.Encode(o.Identity[account])
	Must(tb, err)
	seed, err := os.ReadFile(filepath.Join(o.Dir, name+".user.nk"))
	Must(tb, err)
	content, err := jwt.FormatUserConfig(text, []byte(strings.TrimSpace(string(seed))))
	Must(tb, err)
	creds = filepath.Join(o.Dir, name+".creds")
	Must(tb, os.WriteFile(creds, content, 0o600))
	return text, creds
}

// WriteKeyring writes the keyring directory: a signing key for every account and
// scope, and the xkey if requests are sealed.
func (o *Operator) WriteKeyring(tb testing.TB) {
	tb.Helper()
	var b strings.Builder
	b.WriteString("accounts:\n")
	for _, name := range OperatorAccounts() {
		fmt.Fprintf(&b, "  - {name: %s, public_key: %s}\n", name, o.Accounts[name])
	}
	b.WriteString("keys:\n")
	for _, name := range sortedKeys(o.Signing) {
		account, scope, _ := strings.Cut(name, "/")
		file := strings.ReplaceAll(name, "/", "-") + keyring.SeedSuffix
		WriteSeed(tb, filepath.Join(o.Keyring, file), o.Signing[name].IssuerSeed)
		fmt.Fprintf(&b, "  - kind: %s\n    public_key: %s\n    account: %s\n", issuer.KindSigning, o.Signing[name].Issuer, account)
		if scope != "" {
			fmt.Fprintf(&b, "    scope: %s\n", scope)
		}
		fmt.Fprintf(&b, "    file: %s\n    state: active\n", file)
	}
	if o.cfg.Sealed {
		WriteSeed(tb, filepath.Join(o.Keyring, "xkey"+keyring.SeedSuffix), o.XKey.XKeySeed)
		fmt.Fprintf(&b, "  - {kind: xkey, public_key: %s, file: xkey.nk, state: active}\n", o.XKey.XKey)
	}
	Must(tb, os.WriteFile(filepath.Join(o.Keyring, keyring.StateFile), []byte(b.String()), 0o600))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
