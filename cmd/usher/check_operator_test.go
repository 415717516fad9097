package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/app/checkup/finding"
	"usher/cmd/usher/cmdutil"
	"usher/internal/secretfile"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/app/config"
	"usher/callout/callouttest"
	"usher/issuer/keyring"
)

// operatorConfigFor writes the files of an installation for an operator of the harness.
// An empty value removes a key.
func operatorConfigFor(t *testing.T, o *callouttest.Operator, more map[string]string) string {
	t.Helper()
	values := map[string]string{
		"nats.mode": "operator", "nats.urls": "[" + strings.ReplaceAll(o.URLs(), ",", ", ") + "]",
		"nats.creds_file": o.ServiceCreds, "nats.sentinel_creds_file": o.SentinelCreds,
		"accounts.callout": callouttest.CalloutAccount, "accounts.system": callouttest.SystemAccount,
		"accounts.ingest": callouttest.OtherAccount, "accounts.service_admin": callouttest.AppAccount,
		"accounts.healthcheck": callouttest.HealthAccount, "healthcheck.token_file": "healthcheck.token",
		"operator.dir": o.JWTDir, "operator.signing_key_file": o.SigningKeyFile, "operator.system_creds_file": o.SystemCreds,
		"keyring.dir": o.Keyring, "directory.file": "directory.yaml", "http.listen": "127.0.0.1:0",
	}
	maps.Copy(values, more)
	maps.DeleteFunc(values, func(_, v string) bool { return v == "" })
	text, err := config.Example(values)
	callouttest.Must(t, err)
	dir := t.TempDir()
	callouttest.Must(t, secretfile.Write(filepath.Join(dir, "usher.yaml"), text))
	callouttest.Must(t, secretfile.Write(filepath.Join(dir, "directory.yaml"), []byte(callouttest.WithDigests(operatorDirectory))))
	return filepath.Join(dir, "usher.yaml")
}

const operatorDirectory = `
users: [{name: alice, keys: [{digest: KEY(alice-key)}]}]
projects:
  - name: shop
    account: APP
    members: [{user: alice, roles: [publisher]}]
    topics: [{name: orders, acl: [alice]}]
`

// operatorFault is an installation with one fault, and the finding for it.
type operatorFault struct {
	plain  bool // requests are not encrypted
	edit   func(name string, c jwt.Claims)
	scoped map[string]jwt.UserPermissionLimits
	config map[string]string
	modify func(t *testing.T, o *callouttest.Operator, config map[string]string) // runs last

	check, detail, hint string
	severity            finding.Severity
	never               string // what no finding says
}

// editAccount returns an edit of one account.
func editAccount(name string, edit func(c *jwt.AccountClaims)) func(string, jwt.Claims) {
	return func(n string, c jwt.Claims) {
		if a, ok := c.(*jwt.AccountClaims); ok && n == name {
			edit(a)
		}
	}
}

func editUser(name string, edit func(c *jwt.UserClaims)) func(string, jwt.Claims) {
	return func(n string, c jwt.Claims) {
		if u, ok := c.(*jwt.UserClaims); ok && n == name {
			edit(u)
		}
	}
}

func editOperator(edit func(c *jwt.OperatorClaims)) func(string, jwt.Claims) {
	return func(_ string, c jwt.Claims) {
		if o, ok := c.(*jwt.OperatorClaims); ok {
			edit(o)
		}
	}
}

const (
	accAuth  = callouttest.CalloutAccount
	accApp   = callouttest.AppAccount
	accOther = callouttest.OtherAccount
)

var (
	hourAgo  = func() int64 { return time.Now().Add(-time.Hour).Unix() }
	nextWeek = func() int64 { return time.Now().Add(7 * 24 * time.Hour).Unix() }
)

func publicOf(t *testing.T, prefix nkeys.PrefixByte) (nkeys.KeyPair, string) {
	t.Helper()
	kp, err := nkeys.CreatePair(prefix)
	callouttest.Must(t, err)
	public, err := kp.PublicKey()
	callouttest.Must(t, err)
	return kp, public
}

// inKeyring edits keyring.yaml.
func inKeyring(t *testing.T, o *callouttest.Operator, edit func(text string) string) {
	t.Helper()
	path := filepath.Join(o.Keyring, keyring.StateFile)
	text, err := os.ReadFile(path)
	callouttest.Must(t, err)
	after := edit(string(text))
	if after == string(text) {
		t.Fatal("keyring.yaml stays as it was")
	}
	callouttest.Must(t, os.WriteFile(path, []byte(after), 0o600))
}

// credsOf writes the credentials of a new user of an account.
func credsOf(t *testing.T, signer nkeys.KeyPair, account string, edit func(c *jwt.UserClaims)) (file, public string) {
	t.Helper()
	kp, public := publicOf(t, nkeys.PrefixByteUser)
	c := jwt.NewUserClaims(public)
	c.IssuerAccount = account
	edit(c)
	text, err := c.Encode(signer)
	callouttest.Must(t, err)
	seed, err := kp.Seed()
	callouttest.Must(t, err)
	creds, err := jwt.FormatUserConfig(text, seed)
	callouttest.Must(t, err)
	file = filepath.Join(t.TempDir(), "user.creds")
	callouttest.Must(t, os.WriteFile(file, creds, 0o600))
	return file, public
}

func bearerOf(c *jwt.UserClaims) {
	c.BearerToken = true
	c.Pub.Deny.Add(">")
	c.Sub.Deny.Add(">")
}

func keyOf(t *testing.T, seed string) nkeys.KeyPair {
	t.Helper()
	kp, err := nkeys.FromSeed([]byte(seed))
	callouttest.Must(t, err)
	return kp
}

// issuedAt writes a JWT to disk whose issue time is d later than it was.
func issuedAt(t *testing.T, o *callouttest.Operator, name string, d time.Duration) {
	t.Helper()
	path := filepath.Join(o.JWTDir, "accounts", name+".jwt")
	text, err := os.ReadFile(path)
	callouttest.Must(t, err)
	parts := strings.Split(string(text), ".")
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	callouttest.Must(t, err)
	var claims map[string]any
	callouttest.Must(t, json.Unmarshal(body, &claims))
	claims["iat"] = time.Now().Add(d).Unix()
	body, err = json.Marshal(claims)
	callouttest.Must(t, err)
	signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString(body)
	sig, err := o.SigningKey.Sign([]byte(signed))
	callouttest.Must(t, err)
	callouttest.Must(t, os.WriteFile(path, []byte(signed+"."+base64.RawURLEncoding.EncodeToString(sig)), 0o600))
}

func permits(pub, sub []string) jwt.UserPermissionLimits {
	p := jwt.UserPermissionLimits{Permissions: jwt.Permissions{Pub: jwt.Permission{Allow: pub}, Sub: jwt.Permission{Allow: sub}}}
	p.NatsLimits = jwt.NatsLimits{Subs: jwt.NoLimit, Data: jwt.NoLimit, Payload: jwt.NoLimit}
	return p
}

var scopesPublisher = map[string]string{"accounts.scopes": "[APP/publisher]"}

func offlineFaults(t *testing.T) map[string]operatorFault {
	t.Helper()
	_, strangeUser := publicOf(t, nkeys.PrefixByteUser)
	_, strangeAccount := publicOf(t, nkeys.PrefixByteAccount)
	strangeOperator, strangeOperatorKey := publicOf(t, nkeys.PrefixByteOperator)
	_, strangeXKey := publicOf(t, nkeys.PrefixByteCurve)
	return map[string]operatorFault{
		// The callout account.
		"external authorization is missing": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization = jwt.ExternalAuthorization{} }),
			check: "callout", severity: "error", detail: "no external authorization", hint: "nsc edit authcallout -a AUTH --auth-user U", never: "is an auth user",
		},
		"the auth user is not listed": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization.AuthUsers = jwt.StringList{strangeUser} }),
			check: "service user", severity: "error", detail: "not one of the auth_users", hint: "nsc edit authcallout -a AUTH --auth-user U",
		},
		"a target account is not allowed": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization.AllowedAccounts = c.Authorization.AllowedAccounts[:1] }),
			check: "callout", severity: "error", detail: "not one of the allowed_accounts of AUTH", hint: "--allowed-account A",
		},
		"every account is allowed": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization.AllowedAccounts = jwt.StringList{jwt.AnyAccount} }),
			check: "callout", severity: "warning", detail: "is *", hint: "--rm-allowed-account '*' --allowed-account A",
		},
		"the system account is allowed": {
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				c := o.ReadAccount(t, accAuth)
				c.Authorization.AllowedAccounts.Add(o.Accounts[callouttest.SystemAccount])
				o.WriteAccount(t, accAuth, c)
			},
			check: "callout", severity: "warning", detail: "the system account is one of", hint: "--rm-allowed-account A",
		},
		"the system account has another name": {
			config: map[string]string{"accounts.system": "SYSTEM", "accounts.ingest": callouttest.SystemAccount},
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				inKeyring(t, o, func(text string) string {
					return strings.Replace(text, "keys:\n", "  - {name: SYSTEM, public_key: "+strangeAccount+"}\nkeys:\n", 1)
				})
			},
			check: "callout", severity: "error", detail: "the system account under another name", hint: "give clients another account",
		},
		"a limit of connections": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.Limits.Conn = 10 }),
			check: "callout", severity: "warning", detail: "allows 10 connections", hint: "nsc edit account -n AUTH --conns -1",
		},
		// The xkey.
		"another xkey": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization.XKey = strangeXKey }),
			check: "xkey", severity: "error", detail: strangeXKey + ", which is not in the keyring", hint: "nsc edit authcallout -a AUTH --curve X",
		},
		"an xkey in the keyring only": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization.XKey = "" }),
			check: "xkey", severity: "error", detail: "servers send requests unencrypted", hint: "nsc edit authcallout -a AUTH --curve X",
		},
		"an xkey in the JWT only": {
			plain: true, edit: editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization.XKey = strangeXKey }),
			check: "xkey", severity: "error", detail: "not in the keyring", hint: "put the seed of " + strangeXKey,
		},
		"no xkey at all": {
			plain: true,
			check: "xkey", severity: "warning", detail: "requests are not encrypted", hint: "usher nkey new",
		},
		// Signing keys.
		"a signing key is not in the account": {
			edit:  editAccount(accApp, func(c *jwt.AccountClaims) { c.SigningKeys = jwt.SigningKeys{} }),
			check: "signing key", severity: "error", detail: "not one of the signing_keys of APP", hint: "nsc edit account -n APP --sk A",
		},
		"a scoped signing key is not in the account": { // added without its scope it would allow everything
			scoped: map[string]jwt.UserPermissionLimits{"publisher": permits([]string{"a"}, []string{"b"})}, config: scopesPublisher,
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				c := o.ReadAccount(t, accApp)
				c.SigningKeys.Remove(o.Signing[accApp+"/publisher"].Issuer)
				o.WriteAccount(t, accApp, c)
			},
			check: "signing key", severity: "error", detail: "not one of the signing_keys of APP",
			hint: " --role publisher --allow-pub … --allow-sub …; then nsc push -a APP, and nsc describe account -n APP -R > /", never: "nsc edit account",
		},
		"so servers would refuse what it signs": {
			scoped: map[string]jwt.UserPermissionLimits{"publisher": permits([]string{"a"}, []string{"b"})}, config: scopesPublisher,
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				c := o.ReadAccount(t, accApp)
				c.SigningKeys.Remove(o.Signing[accApp+"/publisher"].Issuer)
				o.WriteAccount(t, accApp, c)
			},
			check: "user jwt", severity: "error", detail: "signer is neither the account", hint: "nsc edit signing-key -a APP --sk A", never: "nsc edit account",
		},
		"so servers would refuse its user JWTs": {
			edit:  editAccount(accApp, func(c *jwt.AccountClaims) { c.SigningKeys = jwt.SigningKeys{} }),
			check: "user jwt", severity: "error", detail: "signer is neither the account", hint: "nsc edit account -n APP --sk",
		},
		"the callout account's signing key is not in it": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.SigningKeys = jwt.SigningKeys{} }),
			check: "user jwt", severity: "error", detail: "the response is signed neither by the callout account", hint: "nsc edit account -n AUTH --sk",
		},
		"a retired key is still accepted": {
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				c := o.ReadAccount(t, accApp)
				c.SigningKeys.Add(strangeAccount)
				o.WriteAccount(t, accApp, c)
				inKeyring(t, o, func(text string) string {
					return text + "  - {kind: signing_key, public_key: " + strangeAccount + ", account: APP, state: retired}\n"
				})
			},
			check: "signing key", severity: "warning", detail: "is retired in the keyring", hint: "--rm-sk " + strangeAccount,
		},
		"a retired key is not counted": {
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				inKeyring(t, o, func(text string) string {
					return text + "  - {kind: signing_key, public_key: " + strangeAccount + ", account: APP, state: retired}\n"
				})
			},
			check: "signing key", severity: "ok", detail: "4 active signing keys,",
		},
		"a keyring with an invalid seed": {
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				callouttest.WriteSeed(t, filepath.Join(o.Keyring, "broken.nk"), "teapot")
			},
			check: "keyring", severity: "error", detail: "not a seed", hint: "signing keys, one of them the callout account's", never: "issuer",
		},
		"only a scoped signing key for an account": {
			scoped: map[string]jwt.UserPermissionLimits{"publisher": permits([]string{"a"}, []string{"b"})},
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				inKeyring(t, o, func(text string) string {
					return strings.Replace(text, "file: APP.nk\n    state: active", "file: APP.nk\n    state: next", 1)
				})
			},
			check: "user jwt", severity: "error", detail: "no active unscoped signing key for APP", hint: "account: APP",
		},
		"no signing key for an account": {
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				inKeyring(t, o, func(text string) string {
					return strings.Replace(text, "file: OTHER.nk\n    state: active", "file: OTHER.nk\n    state: next", 1)
				})
			},
			check: "user jwt", severity: "error", detail: "no active signing key for OTHER", hint: "account: OTHER",
		},
		"an account that keyring.yaml does not know": {
			config: map[string]string{"accounts.ingest": "ELSEWHERE"},
			check:  "keyring", severity: "error", detail: "is not in keyring.yaml", hint: "nsc describe account -n ELSEWHERE",
		},
		"a scope in the keyring only": {
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				inKeyring(t, o, func(text string) string {
					return strings.Replace(text, "account: OTHER\n", "account: OTHER\n    scope: ingest\n", 1)
				})
			},
			check: "signing key", severity: "error", detail: "has no scope in the JWT of OTHER", hint: "nsc edit signing-key -a OTHER --sk A",
		},
		"a scope in the JWT only": {
			edit: editAccount(accApp, func(c *jwt.AccountClaims) {
				for key := range c.SigningKeys {
					s := jwt.NewUserScope()
					s.Key, s.Role = key, "teapot"
					c.SigningKeys.AddScopedSigner(s)
				}
			}),
			check: "signing key", severity: "error", detail: `is a scoped key (role "teapot")`, hint: "set its scope teapot in keyring.yaml",
		},
		"so servers would refuse permissions": {
			edit: editAccount(accApp, func(c *jwt.AccountClaims) {
				for key := range c.SigningKeys {
					s := jwt.NewUserScope()
					s.Key, s.Role = key, "teapot"
					c.SigningKeys.AddScopedSigner(s)
				}
			}),
			check: "user jwt", severity: "error", detail: "scoped signing key refuses it", hint: "set the scope of A", never: "--sk A",
		},
		"the account's identity key signs": {
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				seed, err := o.Identity[accApp].Seed()
				callouttest.Must(t, err)
				callouttest.WriteSeed(t, filepath.Join(o.Keyring, "APP.nk"), string(seed))
				inKeyring(t, o, func(text string) string {
					return strings.Replace(text, "name: APP, public_key: "+o.Accounts[accApp], "name: APP, public_key: "+strangeAccount, 1)
				})
				inKeyring(t, o, func(text string) string {
					return strings.Replace(text, o.Signing[accApp].Issuer, o.Accounts[accApp], 1)
				})
			},
			check: "signing key", severity: "warning", detail: "signs with its identity key", hint: "--sk generate",
		},
		// Operator and accounts.
		"the operator has expired": {
			edit:  editOperator(func(c *jwt.OperatorClaims) { c.Expires = hourAgo() }),
			check: "operator", severity: "error", detail: "expired on", hint: "nsc edit operator --expiry",
		},
		"the operator is not valid yet": {
			edit:  editOperator(func(c *jwt.OperatorClaims) { c.NotBefore = nextWeek() }),
			check: "operator", severity: "error", detail: "is not valid before", hint: "nsc edit operator",
		},
		"the operator has another system account": {
			edit:  editOperator(func(c *jwt.OperatorClaims) { c.SystemAccount = strangeAccount }),
			check: "operator", severity: "error", detail: "its system account is " + strangeAccount, hint: "--system-account",
		},
		"the operator's signing key is another's": {
			modify: func(t *testing.T, o *callouttest.Operator, config map[string]string) {
				t.Helper()
				seed, err := strangeOperator.Seed()
				callouttest.Must(t, err)
				config["operator.signing_key_file"] = filepath.Join(o.Dir, "strange.nk")
				callouttest.WriteSeed(t, config["operator.signing_key_file"], string(seed))
			},
			check: "operator", severity: "error", detail: strangeOperatorKey + " is neither operator", hint: "nsc edit operator --sk",
		},
		"the operator's signing key is elsewhere": {
			config: map[string]string{"operator.signing_key_file": "/nowhere/signing.nk"},
			check:  "operator", severity: "warning", detail: "is not on this machine: account JWTs cannot be changed from here", hint: "elsewhere remove operator.signing_key_file",
		},
		"the operator's signing key is broken": {
			modify: func(t *testing.T, _ *callouttest.Operator, config map[string]string) {
				t.Helper()
				config["operator.signing_key_file"] = filepath.Join(t.TempDir(), "broken.nk")
				callouttest.WriteSeed(t, config["operator.signing_key_file"], "teapot")
			},
			check: "operator", severity: "error", detail: "operator.signing_key_file: ", hint: "put the seed",
		},
		"operator.jwt is missing": {
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				callouttest.Must(t, os.Remove(filepath.Join(o.JWTDir, "operator.jwt")))
			},
			check: "operator", severity: "error", detail: "no such file", hint: "nsc describe operator -R >",
		},
		"an account JWT is missing": {
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				callouttest.Must(t, os.Remove(filepath.Join(o.JWTDir, "accounts", "APP.jwt")))
			},
			check: "account", severity: "error", detail: "no such file", hint: "nsc describe account -n APP -R >",
		},
		"operator.dir is not set": {
			config: map[string]string{"operator.dir": "", "operator.signing_key_file": ""},
			check:  "operator", severity: "warning", detail: "operator.dir is not set", hint: "set operator.dir",
		},
		"an account of another operator": {
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				text, err := o.ReadAccount(t, accApp).Encode(strangeOperator)
				callouttest.Must(t, err)
				callouttest.Must(t, os.WriteFile(filepath.Join(o.JWTDir, "accounts", "APP.jwt"), []byte(text), 0o600))
			},
			check: "account", severity: "error", detail: "neither operator test nor one of its signing keys", hint: "sign it again",
		},
		"a signing key that the operator has revoked": {
			edit:  editOperator(func(c *jwt.OperatorClaims) { c.SigningKeys = jwt.StringList{strangeOperatorKey} }),
			check: "account", severity: "error", detail: "neither operator test nor one of its signing keys", hint: "sign it again",
		},
		"the operator's identity key, where signing keys are required": {
			edit: editOperator(func(c *jwt.OperatorClaims) { c.StrictSigningKeyUsage = true }),
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				text, err := o.ReadAccount(t, accApp).Encode(o.Key)
				callouttest.Must(t, err)
				callouttest.Must(t, os.WriteFile(filepath.Join(o.JWTDir, "accounts", "APP.jwt"), []byte(text), 0o600))
			},
			check: "account", severity: "error", detail: "the operator requires signing keys", hint: "sign it again",
		},
		"an account has expired": {
			edit:  editAccount(accApp, func(c *jwt.AccountClaims) { c.Expires = hourAgo() }),
			check: "account", severity: "error", detail: "expired on", hint: "nsc edit account -n APP --expiry",
		},
		"an account expires soon": {
			edit:  editAccount(accApp, func(c *jwt.AccountClaims) { c.Expires = nextWeek() }),
			check: "account", severity: "warning", detail: "expires on", hint: "nsc edit account -n APP --expiry",
		},
		"an account is not valid yet": {
			edit:  editAccount(accApp, func(c *jwt.AccountClaims) { c.NotBefore = nextWeek() }),
			check: "account", severity: "error", detail: "is not valid before", hint: "nsc edit account -n APP",
		},
		"the JWT of another account": {
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				o.WriteAccount(t, accApp, o.ReadAccount(t, accOther))
			},
			check: "account", severity: "error", detail: "but in keyring.yaml APP is", hint: "correct accounts in keyring.yaml", never: "--allowed-account",
		},
		"an account JWT that is not valid": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization.AllowedAccounts.Add("teapot") }),
			check: "account", severity: "error", detail: "servers refuse it: ", hint: "correct the account JWT",
		},
		"an account that allows no connection": {
			edit:  editAccount(accOther, func(c *jwt.AccountClaims) { c.Limits.Conn = 0 }),
			check: "user jwt", severity: "error", detail: "limits.conn: 0", hint: "nsc edit account -n OTHER --conns -1",
		},
		"an answer that is too large": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.Limits.Payload = 1500 }),
			check: "user jwt", severity: "error", detail: "the response is too large", hint: "max_payload",
		},
		// The service user.
		"the service user is in another account": {
			modify: func(_ *testing.T, o *callouttest.Operator, config map[string]string) {
				config["nats.creds_file"] = o.AdminCreds
			},
			check: "service user", severity: "error", detail: "is a user of account A", hint: "nsc generate creds -a AUTH",
		},
		"the service user has expired": {
			edit:  editUser(callouttest.ServiceUser, func(c *jwt.UserClaims) { c.Expires = hourAgo() }),
			check: "service user", severity: "error", detail: "expired on", hint: "nsc generate creds",
		},
		"the service user is revoked": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.RevokeAt(jwt.All, time.Now().Add(time.Hour)) }),
			check: "service user", severity: "error", detail: "is revoked", hint: "nsc revocations delete-user -a AUTH",
		},
		"the service user is signed by a key of the keyring": {
			modify: func(t *testing.T, o *callouttest.Operator, config map[string]string) {
				t.Helper()
				file, public := credsOf(t, keyOf(t, o.Signing[accAuth].IssuerSeed), o.Accounts[accAuth], func(*jwt.UserClaims) {})
				config["nats.creds_file"] = file
				c := o.ReadAccount(t, accAuth)
				c.Authorization.AuthUsers.Add(public)
				o.WriteAccount(t, accAuth, c)
			},
			check: "service user", severity: "warning", detail: "servers refuse this user", hint: "identity key of AUTH",
		},
		"no service credentials": {
			config: map[string]string{"nats.creds_file": ""},
			check:  "service user", severity: "error", detail: "nats.creds_file is not set", hint: "nsc generate creds",
		},
		// The sentinel.
		"the sentinel is not a bearer": {
			edit:  editUser("sentinel", func(c *jwt.UserClaims) { c.BearerToken = false }),
			check: "sentinel", severity: "error", detail: "is not a bearer", hint: "--bearer",
		},
		"the sentinel is in another account": {
			modify: func(_ *testing.T, o *callouttest.Operator, config map[string]string) {
				config["nats.sentinel_creds_file"] = o.AdminCreds
			},
			check: "sentinel", severity: "error", detail: "is a user of account A", hint: "replace it with a bearer user of AUTH", never: "--expiry 0",
		},
		"the sentinel is an auth user": {
			modify: func(_ *testing.T, o *callouttest.Operator, config map[string]string) {
				config["nats.sentinel_creds_file"] = o.ServiceCreds
			},
			check: "sentinel", severity: "error", detail: "is one of the auth_users", hint: "--rm-auth-user U",
		},
		"the sentinel may publish": {
			edit:  editUser("sentinel", func(c *jwt.UserClaims) { c.Pub = jwt.Permission{} }),
			check: "sentinel", severity: "warning", detail: "may publish or subscribe", hint: "--deny-pubsub",
		},
		"the sentinel has expired": {
			edit:  editUser("sentinel", func(c *jwt.UserClaims) { c.Expires = hourAgo() }),
			check: "sentinel", severity: "error", detail: "expired on", hint: "--expiry 0",
		},
		"the sentinel has limits": {
			edit:  editUser("sentinel", func(c *jwt.UserClaims) { c.AllowedConnectionTypes.Add(jwt.ConnectionTypeMqtt) }),
			check: "sentinel", severity: "warning", detail: "limits of its own", hint: "connection types",
		},
		"the sentinel is signed by a key of the keyring": {
			modify: func(t *testing.T, o *callouttest.Operator, config map[string]string) {
				t.Helper()
				config["nats.sentinel_creds_file"], _ = credsOf(t, keyOf(t, o.Signing[accAuth].IssuerSeed), o.Accounts[accAuth], bearerOf)
			},
			check: "sentinel", severity: "warning", detail: "servers refuse this user", hint: "identity key of AUTH",
		},
		"the sentinel is signed by a foreign key": {
			modify: func(t *testing.T, o *callouttest.Operator, config map[string]string) {
				t.Helper()
				stranger, _ := publicOf(t, nkeys.PrefixByteAccount)
				config["nats.sentinel_creds_file"], _ = credsOf(t, stranger, o.Accounts[accAuth], bearerOf)
			},
			check: "sentinel", severity: "error", detail: "signer is neither the account", hint: "sign it again with a key of AUTH",
		},
		"the callout account disallows bearers": {
			edit:  editAccount(accAuth, func(c *jwt.AccountClaims) { c.Limits.DisallowBearer = true }),
			check: "sentinel", severity: "error", detail: "disallows bearers", hint: "--disallow-bearer=false",
		},
		"the sentinel's file has no credentials": {
			modify: func(_ *testing.T, o *callouttest.Operator, config map[string]string) {
				config["nats.sentinel_creds_file"] = o.SigningKeyFile
			},
			check: "sentinel", severity: "error", detail: "holds no user JWT", hint: "nsc generate creds",
		},
		// Scopes.
		"a scope without a key": {
			config: scopesPublisher,
			check:  "scope", severity: "error", detail: "no active signing key for it", hint: "nsc edit signing-key -a APP --sk PUBLIC_KEY --role publisher --allow-pub …", never: "nsc edit account",
		},
		"a scoped key without a role": {
			scoped: map[string]jwt.UserPermissionLimits{"publisher": permits([]string{"a"}, []string{"b"})},
			check:  "scope", severity: "warning", detail: "no role uses", hint: "add APP/publisher to accounts.scopes",
		},
		"a template with one side": {
			scoped: map[string]jwt.UserPermissionLimits{"publisher": permits(nil, []string{"b"})}, config: scopesPublisher,
			check: "scope", severity: "error", detail: "has no rules to publish: it allows everything", hint: "--deny-pub '>'",
		},
		"a template with the other side": {
			scoped: map[string]jwt.UserPermissionLimits{"publisher": permits([]string{"a"}, nil)}, config: scopesPublisher,
			check: "scope", severity: "error", detail: "has no rules to subscribe: it allows everything", hint: "--deny-sub '>'",
		},
		"a template that includes the request subject": {
			scoped: map[string]jwt.UserPermissionLimits{"publisher": permits([]string{"{{name()}}.>"}, []string{"$SYS.*.*.*"})}, config: scopesPublisher,
			check: "scope", severity: "warning", detail: "includes $SYS.REQ.USER.AUTH: subscribe $SYS.*.*.*", hint: "--deny-pubsub '$SYS.REQ.USER.AUTH'",
		},
		"a template with an unknown function": {
			scoped: map[string]jwt.UserPermissionLimits{"publisher": permits([]string{"{{teapot()}}.>"}, []string{"b"})}, config: scopesPublisher,
			check: "user jwt", severity: "error", detail: `unknown function "teapot()"`, hint: "correct the template",
		},
	}
}

// found reports whether c has the finding that f expects.
func (f *operatorFault) found(c *checked) bool {
	return slices.ContainsFunc(c.Findings, func(x finding.Finding) bool {
		return x.Check == f.check && x.Severity == f.severity && strings.Contains(x.Detail, f.detail) && strings.Contains(x.Hint, f.hint)
	})
}

func (c checked) String() string {
	var b strings.Builder
	for _, f := range c.Findings {
		if f.Severity != finding.OK {
			fmt.Fprintf(&b, "%s %s %s: %s\n\thint: %s\n", f.Severity, f.Check, f.Where, f.Detail, f.Hint)
		}
	}
	return b.String()
}

// never checks that no finding contains a text.
func (c checked) never(t *testing.T, text string) {
	t.Helper()
	for _, x := range c.Findings {
		if text != "" && (strings.Contains(x.Hint, text) || strings.Contains(x.Detail, text)) {
			t.Errorf("%s says %q: %s, hint %s", x.Check, text, x.Detail, x.Hint)
		}
	}
}

func (c checked) hinted(t *testing.T) {
	t.Helper()
	for _, f := range c.Findings {
		if f.Severity != finding.OK && f.Hint == "" {
			t.Errorf("no way out is named for %+v", f)
		}
	}
}

func checkOffline(t *testing.T, configFile string) checked {
	t.Helper()
	code, stdout, stderr := usher(t, "check", "-c", configFile, "--offline", "--json")
	c := checked{code: code}
	if err := json.Unmarshal([]byte(stdout), &c); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	return c
}

// TestCheckOperatorOffline: check finds every fault in the files, and none in a valid
// installation.
func TestCheckOperatorOffline(t *testing.T) {
	t.Parallel()
	for name, f := range offlineFaults(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := callouttest.NewOperator(t, callouttest.OperatorConfig{Sealed: !f.plain, Edit: f.edit, Scoped: f.scoped})
			values := map[string]string{}
			maps.Copy(values, f.config)
			if f.modify != nil {
				f.modify(t, o, values)
			}
			c := checkOffline(t, operatorConfigFor(t, o, values))
			if !f.found(&c) || (f.severity == "error") && c.code != cmdutil.ExitConfig {
				t.Errorf("exit code %d, or no %s of %s with %q and the hint %q:\n%s", c.code, f.severity, f.check, f.detail, f.hint, c)
			}
			c.hinted(t)
			c.never(t, f.never)
		})
	}
	for name, cfg := range map[string]callouttest.OperatorConfig{
		"sound": {Sealed: true},
		"sound, with a scope": {Sealed: true, Scoped: map[string]jwt.UserPermissionLimits{
			"publisher": permits([]string{"{{tag(project)}}.>"}, []string{"_INBOX_{{name()}}.>"}),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := callouttest.NewOperator(t, cfg)
			values := map[string]string{}
			if cfg.Scoped != nil {
				values = scopesPublisher
			}
			if c := checkOffline(t, operatorConfigFor(t, o, values)); c.code != cmdutil.ExitOK || c.String() != "" {
				t.Errorf("exit code %d\n%s", c.code, c)
			}
		})
	}
}
