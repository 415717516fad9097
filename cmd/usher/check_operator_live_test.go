package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// liveFaults are faults that only live servers show.
func liveFaults(t *testing.T) map[string]liveFault {
	t.Helper()
	_, strangeUser := publicOf(t, nkeys.PrefixByteUser)
	_, strangeXKey := publicOf(t, nkeys.PrefixByteCurve)
	_, ghost := publicOf(t, nkeys.PrefixByteAccount)
	stranger, _ := publicOf(t, nkeys.PrefixByteOperator)
	return map[string]liveFault{
		"the resolver is behind": {
			code: cmdutil.ExitConfig,
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				issuedAt(t, o, accApp, time.Hour)
			},
			want: []operatorFault{{check: "resolver", severity: "error", detail: "older than on disk: the JWT of APP of 20", hint: "usher nkey push APP, or nsc push -a APP"}},
		},
		"the resolver is ahead": {
			code: cmdutil.ExitOK,
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				issuedAt(t, o, accOther, -time.Hour)
			},
			want: []operatorFault{{check: "resolver", severity: "warning", detail: "newer than on disk", hint: "nsc pull -a OTHER"}},
		},
		"the JWT in force is checked": { // not the one on disk, which has been corrected
			code: cmdutil.ExitConfig, edit: editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization.AllowedAccounts = c.Authorization.AllowedAccounts[:1] }),
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				c := o.ReadAccount(t, accAuth)
				c.Authorization.AllowedAccounts.Add(o.Accounts[accOther], o.Accounts[callouttest.HealthAccount])
				o.WriteAccount(t, accAuth, c)
				issuedAt(t, o, accAuth, time.Hour)
			},
			want: []operatorFault{
				{check: "resolver", severity: "error", detail: "older than on disk", hint: "usher nkey push AUTH"},
				{check: "callout", severity: "error", detail: "not one of the allowed_accounts of AUTH", hint: "nsc push -a AUTH"},
				{check: "user jwt", severity: "error", detail: "not among the callout account's allowed accounts", hint: "--allowed-account A"},
			},
		},
		"no server knows an account": {
			code: cmdutil.ExitConfig,
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				inKeyring(t, o, func(text string) string {
					return strings.Replace(text, "name: OTHER, public_key: "+o.Accounts[accOther], "name: OTHER, public_key: "+ghost, 1)
				})
			},
			want: []operatorFault{
				{check: "resolver", severity: "error", detail: "no server knows OTHER", hint: "nsc push -a OTHER"},
			},
		},
		"an account has expired": {
			code: cmdutil.ExitConfig, edit: editAccount(accOther, func(c *jwt.AccountClaims) { c.Expires = hourAgo() }),
			// The resolver deletes it after a while; the one on disk has expired too.
			want: []operatorFault{{check: "account", severity: "error", detail: "expired on", hint: "nsc edit account -n OTHER --expiry"}},
		},
		"an account of another operator was pushed": {
			code: cmdutil.ExitConfig,
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				own := o.SigningKey
				o.SigningKey = stranger
				c := o.ReadAccount(t, accOther)
				c.Tags.Add("stranger")
				o.PushAccount(t, accOther, c)
				o.SigningKey = own
			},
			want: []operatorFault{{check: "account", severity: "error", detail: "neither operator test nor one of its signing keys", hint: "sign it again"}},
		},
		"no server trusts the key that signs": {
			code: cmdutil.ExitConfig,
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				o.ReplaceSigningKey(t)
			},
			want: []operatorFault{
				{check: "operator", severity: "error", detail: "n1 does not trust O", hint: "restart them one after the other"},
				{check: "account", severity: "ok", detail: "OTHER is A"},
			},
		},
		"an account was pushed that no server trusts": {
			code: cmdutil.ExitConfig,
			modify: func(t *testing.T, o *callouttest.Operator, config map[string]string) {
				t.Helper()
				o.ReplaceSigningKey(t)
				o.PushAccount(t, accOther, o.ReadAccount(t, accOther))
				config["operator.signing_key_file"] = ""
			},
			want: []operatorFault{
				{check: "operator", severity: "warning", detail: "and n1 does not trust it", hint: "restart them"},
				{check: "account", severity: "error", detail: "which n1 does not trust (trusted_operators_jwt)", hint: "sign it again"},
			},
		},
		"the system user may not ask which operators servers trust": {
			code: cmdutil.ExitOK,
			edit: editUser(callouttest.SystemUser, func(c *jwt.UserClaims) { c.Pub.Deny.Add("$SYS.REQ.SERVER.PING.VARZ") }),
			want: []operatorFault{{check: "operator", severity: "warning", detail: "n1 does not report which operators it trusts", hint: "allow the system user to publish"}},
		},
		"the JWT on disk is of another operator": {
			code: cmdutil.ExitConfig,
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				c := o.ReadAccount(t, accOther)
				c.Tags.Add("stranger")
				text, err := c.Encode(stranger)
				callouttest.Must(t, err)
				callouttest.Must(t, os.WriteFile(filepath.Join(o.JWTDir, "accounts", "OTHER.jwt"), []byte(text), 0o600))
			},
			want: []operatorFault{
				{check: "account", severity: "error", detail: "servers would refuse it: it is signed by O", hint: "sign it again"},
				{check: "account", severity: "ok", detail: "OTHER is A"},
			},
		},
		"keyring.yaml has another account's key": {
			code: cmdutil.ExitConfig,
			modify: func(t *testing.T, o *callouttest.Operator, _ map[string]string) {
				t.Helper()
				inKeyring(t, o, func(text string) string {
					return strings.Replace(text, "name: OTHER, public_key: "+o.Accounts[accOther], "name: OTHER, public_key: "+ghost, 1)
				})
			},
			want:  []operatorFault{{check: "account", severity: "error", detail: "but in keyring.yaml OTHER is " + ghost, hint: "correct accounts in keyring.yaml"}},
			never: "--allowed-account",
		},
		"no system credentials": {
			code: cmdutil.ExitOK, config: map[string]string{"operator.system_creds_file": ""},
			want: []operatorFault{{check: "resolver", severity: "warning", detail: "cannot be checked", hint: "set operator.system_creds_file"}},
		},
		"system credentials elsewhere": {
			code: cmdutil.ExitOK, config: map[string]string{"operator.system_creds_file": "/nowhere/system.creds", "operator.signing_key_file": "/nowhere/signing.nk"},
			want: []operatorFault{
				{check: "resolver", severity: "warning", detail: "is not on this machine", hint: "elsewhere remove operator.system_creds_file"},
				{check: "operator", severity: "warning", detail: "is not on this machine", hint: "elsewhere remove operator.signing_key_file"},
			},
		},
		"not the system account": {
			code: cmdutil.ExitConfig,
			modify: func(_ *testing.T, o *callouttest.Operator, config map[string]string) {
				config["operator.system_creds_file"] = o.AdminCreds
			},
			want: []operatorFault{{check: "resolver", severity: "error", detail: "no server answers", hint: "system account"}},
		},
		"no external authorization": {
			code: cmdutil.ExitConfig, edit: editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization = jwt.ExternalAuthorization{} }),
			want: []operatorFault{
				{check: "callout", severity: "error", detail: "no external authorization", hint: "nsc edit authcallout"},
				{check: "callout", severity: "error", detail: "the server accepts a client with a random token"},
			},
		},
		"others bypass usher": {
			code: cmdutil.ExitOK,
			edit: func(name string, c jwt.Claims) {
				a, ok := c.(*jwt.AccountClaims)
				switch {
				case ok && name == accAuth:
					a.Authorization.AuthUsers.Add(strangeUser)
				case ok && name == accApp:
					a.SigningKeys.Add(ghost)
				}
			},
			want: []operatorFault{
				{check: "callout", severity: "warning", detail: "1 user other than the service user; servers accept them without asking usher, and they can read in AUTH: " + strangeUser, hint: "--rm-auth-user"},
				{check: "callout", severity: "ok", detail: "a holder of 1 signing key of APP that the keyring does not have can create users that bypass usher: " + ghost},
			},
		},
		"the auth user is not listed": {
			code: cmdutil.ExitConfig, edit: editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization.AuthUsers = jwt.StringList{strangeUser} }),
			want: []operatorFault{
				{check: "service user", severity: "error", detail: "not one of the auth_users", hint: "--auth-user U"},
				{check: "connect", severity: "error", detail: "nats: ", hint: "authorization.auth_users in the JWT of AUTH"},
			},
		},
		"servers encrypt requests to another xkey": {
			code: cmdutil.ExitConfig, edit: editAccount(accAuth, func(c *jwt.AccountClaims) { c.Authorization.XKey = strangeXKey }),
			want: []operatorFault{
				{check: "xkey", severity: "error", detail: "servers encrypt requests to " + strangeXKey, hint: "nsc edit authcallout -a AUTH --curve X"},
				{check: "xkey", severity: "error", detail: "the server encrypts requests to an xkey that is not in the keyring", hint: "authorization.xkey in the JWT of AUTH"},
			},
		},
		"no sentinel at all": {
			code: cmdutil.ExitConfig, noSentinel: true, config: map[string]string{"nats.sentinel_creds_file": ""},
			want: []operatorFault{{check: "callout", severity: "error", detail: "the server did not ask", hint: "set default_sentinel"}},
		},
		"clients must present the sentinel": {
			code: cmdutil.ExitOK, noSentinel: true,
			want: []operatorFault{{check: "sentinel", severity: "warning", detail: "no default_sentinel: clients need the sentinel's credentials in addition to their token", hint: "set default_sentinel"}},
		},
		"the server's own sentinel is another": {
			code: cmdutil.ExitOK, edit: editUser("sentinel", func(c *jwt.UserClaims) { c.Pub = jwt.Permission{} }),
			modify: func(t *testing.T, o *callouttest.Operator, config map[string]string) {
				t.Helper()
				config["nats.sentinel_creds_file"], _ = credsOf(t, o.Identity[accAuth], o.Accounts[accAuth], bearerOf)
			},
			want: []operatorFault{
				{check: "sentinel", severity: "warning", detail: "may publish or subscribe", hint: "--deny-pubsub"},
				{check: "sentinel", severity: "ok", detail: "is a bearer of AUTH"},
			},
		},
		"the server's own sentinel may publish": {
			code: cmdutil.ExitOK, config: map[string]string{"nats.sentinel_creds_file": ""},
			edit: editUser("sentinel", func(c *jwt.UserClaims) { c.Pub = jwt.Permission{} }),
			want: []operatorFault{{check: "sentinel", severity: "warning", detail: "may publish or subscribe", hint: "--deny-pubsub"}},
		},
		"the sentinel is an auth user": {
			code: cmdutil.ExitConfig,
			edit: func(name string, c jwt.Claims) {
				if u, ok := c.(*jwt.UserClaims); ok && name == callouttest.ServiceUser {
					bearerOf(u)
				}
			},
			modify: func(_ *testing.T, o *callouttest.Operator, config map[string]string) {
				config["nats.sentinel_creds_file"] = o.ServiceCreds
			},
			want:   []operatorFault{{check: "sentinel", severity: "error", detail: "is one of the auth_users", hint: "--rm-auth-user U"}},
			silent: true,
		},
	}
}

type liveFault struct {
	edit       func(name string, c jwt.Claims)
	noSentinel bool
	config     map[string]string
	modify     func(t *testing.T, o *callouttest.Operator, config map[string]string) // after the servers have started
	code       int
	want       []operatorFault
	never      string // what no finding says
	silent     bool   // the server does not reply to the service user
}

// TestCheckOperatorLive: check finds every fault in the JWTs that the servers use.
func TestCheckOperatorLive(t *testing.T) {
	t.Parallel()
	for name, f := range liveFaults(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := callouttest.StartOperator(t, callouttest.OperatorConfig{Sealed: true, NoSentinel: f.noSentinel, Edit: f.edit, Timeout: 2})
			// A server that stops waits for pending requests.
			values := map[string]string{"callout.budget": "500ms"}
			for k, v := range f.config {
				values[k] = v
			}
			if f.modify != nil {
				f.modify(t, o, values)
			}
			look := checkLive
			if f.silent {
				look = checkOnce
			}
			c := look(t, operatorConfigFor(t, o, values))
			for _, want := range f.want {
				if !want.found(&c) {
					t.Errorf("no %s of %s with %q and the hint %q:\n%s", want.severity, want.check, want.detail, want.hint, c)
				}
			}
			c.never(t, f.never)
			if c.code != f.code {
				t.Errorf("exit code %d, not %d\n%s", c.code, f.code, c)
			}
		})
	}
}

// TestCheckOperatorSound: a valid installation has no findings: one of "usher init
// --operator", and a cluster.
func TestCheckOperatorSound(t *testing.T) {
	t.Parallel()
	t.Run("init", func(t *testing.T) {
		t.Parallel()
		in := initialized(t, "--operator")
		in.Write(t, setup.FileDirectory, aliceDirectory())
		in.NatsServer(t)
		in.serve(t)
		if c := checkLive(t, in.Config()); c.code != cmdutil.ExitOK || c.String() != "" {
			t.Errorf("exit code %d\n%s", c.code, c)
		}
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		o := callouttest.StartOperator(t, callouttest.OperatorConfig{Sealed: true, Servers: 2})
		callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(operatorDirectory)})
		if c := checkLive(t, operatorConfigFor(t, o, nil)); c.code != cmdutil.ExitOK || c.String() != "" {
			t.Errorf("exit code %d\n%s", c.code, c)
		}
	})
	t.Run("memory resolver", func(t *testing.T) {
		t.Parallel()
		o := callouttest.StartOperator(t, callouttest.OperatorConfig{Sealed: true, Memory: true})
		callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(operatorDirectory)})
		if c := checkLive(t, operatorConfigFor(t, o, nil)); c.code != cmdutil.ExitOK || c.String() != "" {
			t.Errorf("exit code %d\n%s", c.code, c)
		}
	})
}

// TestCheckOperatorLetIn: a default sentinel of an account without external authorization
// lets every client in, although the request of usher check does not show it.
func TestCheckOperatorLetIn(t *testing.T) {
	t.Parallel()
	o := callouttest.NewOperator(t, callouttest.OperatorConfig{Sealed: true, Timeout: 2})
	file, _ := credsOf(t, o.Identity[accOther], o.Accounts[accOther], bearerOf)
	creds, err := os.ReadFile(file)
	callouttest.Must(t, err)
	other, err := jwt.ParseDecoratedJWT(creds)
	callouttest.Must(t, err)
	server := filepath.Join(o.Dir, "n1.conf")
	text, err := os.ReadFile(server)
	callouttest.Must(t, err)
	callouttest.Must(t, os.WriteFile(server, []byte(strings.Replace(string(text), o.SentinelJWT, other, 1)), 0o600))
	o.Start(t)
	c := checkLive(t, operatorConfigFor(t, o, map[string]string{"callout.budget": "500ms"}))
	want := operatorFault{check: "sentinel", severity: "error", detail: "the server accepts a client with a random token", hint: "set default_sentinel in the server's configuration to the user JWT of a bearer of AUTH"}
	if c.code != cmdutil.ExitConfig || !want.found(&c) {
		t.Errorf("exit code %d\n%s", c.code, c)
	}
}
