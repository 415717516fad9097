package callout_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/callout"
	"usher/callout/callouttest"
)

// operatorEnv is an operator with its servers, and a service.
type operatorEnv struct {
	*callouttest.Operator
	t        *testing.T
	service  *callouttest.Service
	refusals *nats.Subscription // auth error events
}

func newOperatorEnv(t *testing.T, cfg callouttest.OperatorConfig) *operatorEnv {
	t.Helper()
	o := callouttest.StartOperator(t, cfg)
	d := &operatorEnv{Operator: o, t: t, service: callouttest.StartService(t, callouttest.ServiceConfig{
		Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})}
	d.listen()
	for _, s := range o.Servers {
		account, err := s.NATSServer().LookupAccount(o.Accounts[callouttest.CalloutAccount])
		callouttest.Must(t, err)
		callouttest.Eventually(t, "the server has interest in requests and auth error events", func() bool {
			return account.Interest(callout.Subject) > 0 && account.Interest("$SYS.ACCOUNT.CLIENT.AUTH.ERR") > 0
		})
	}
	return d
}

// listen subscribes to the auth error events of every server.
func (d *operatorEnv) listen() {
	d.t.Helper()
	nc, err := nats.Connect(d.URLs(), nats.UserCredentials(d.ServiceCreds), nats.Timeout(testTimeout), ignoreErrors())
	callouttest.Must(d.t, err)
	d.t.Cleanup(nc.Close)
	d.refusals, err = nc.SubscribeSync("$SYS.ACCOUNT.CLIENT.AUTH.ERR")
	callouttest.Must(d.t, err)
	callouttest.Must(d.t, nc.FlushTimeout(testTimeout))
}

// expectConnect checks that the publisher can connect to every server.
func (d *operatorEnv) expectConnect() {
	d.t.Helper()
	for _, s := range d.Servers {
		if err := attempt(s.URL(), nats.Token("publisher-key"), nats.IgnoreDiscoveredServers()); err != nil {
			d.t.Errorf("%s: %v\n%s", s.Name, err, d.service.Log)
		}
	}
}

// connectPersistent connects the publisher to the first server, with automatic
// reconnects. lost gets its errors and disconnects.
func (d *operatorEnv) connectPersistent() (nc *nats.Conn, lost chan error) {
	d.t.Helper()
	lost = make(chan error, 16)
	nc, err := nats.Connect(d.Servers[0].URL(), nats.Token("publisher-key"), nats.Timeout(testTimeout), nats.IgnoreDiscoveredServers(),
		nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { lost <- err }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { lost <- err }))
	callouttest.Must(d.t, err)
	d.t.Cleanup(nc.Close)
	return nc, lost
}

// expectRefused checks that every server refuses the publisher for this reason, although
// usher grants the request. The reason is only in the server's auth error event.
func (d *operatorEnv) expectRefused(reason string) {
	d.t.Helper()
	for _, s := range d.Servers {
		before := len(d.service.Events(d.t))
		if attempt(s.URL(), nats.Token("publisher-key"), nats.IgnoreDiscoveredServers()) == nil {
			d.t.Errorf("%s: connected, want: %s", s.Name, reason)
			continue
		}
		if got := nextReason(d.t, d.refusals); !strings.Contains(got, reason) {
			d.t.Errorf("%s: refused because: %s; want: %s", s.Name, got, reason)
		}
		callouttest.Eventually(d.t, "the request is in the audit", func() bool { return len(d.service.Events(d.t)) > before })
		if e := d.service.Events(d.t)[before]; e.Text("code") != callout.CodeGranted || e.Text("server_name") != s.Name {
			d.t.Errorf("%s: event %v", s.Name, e)
		}
	}
}

// updateAccount changes the claims of an account and pushes them.
func (d *operatorEnv) updateAccount(name string, change func(c *jwt.AccountClaims)) {
	d.t.Helper()
	c := d.ReadAccount(d.t, name)
	change(c)
	d.PushAccount(d.t, name, c)
}

// removeSigningKey removes an account's signing key from its JWT.
func (d *operatorEnv) removeSigningKey(name string) {
	d.t.Helper()
	d.updateAccount(name, func(c *jwt.AccountClaims) { delete(c.SigningKeys, d.Signing[name].Issuer) })
}

// replaceSigningKey adds a new signing key of an account to its JWT and to the keyring.
func (d *operatorEnv) replaceSigningKey(name string) {
	d.t.Helper()
	d.Signing[name] = callouttest.NewKeys(d.t)
	d.updateAccount(name, func(c *jwt.AccountClaims) { c.SigningKeys.Add(d.Signing[name].Issuer) })
	d.WriteKeyring(d.t)
	callouttest.Must(d.t, d.service.ReloadKeyring())
}

// When a signing key is removed from the account JWT while usher still uses it, as
// after a compromise, every server of the cluster refuses its signatures at once. With a
// new key, clients can connect again.
//
// Attack: a stolen signing key signs user JWTs
// Held by: rotation removes a retired key from the account JWT, and every server refuses its signatures
func TestRemovedSigningKeyIsRefusedEverywhere(t *testing.T) {
	d := newOperatorEnv(t, callouttest.OperatorConfig{Servers: 3})
	d.expectConnect()
	d.removeSigningKey(callouttest.AppAccount)
	d.expectRefused("is not known") // User JWT issuer "A…" is not known
	d.replaceSigningKey(callouttest.AppAccount)
	d.expectConnect()
	d.removeSigningKey(callouttest.CalloutAccount)
	d.expectRefused("signing key is unknown")
	d.replaceSigningKey(callouttest.CalloutAccount)
	d.expectConnect()
}

// With sealed requests, nats-server 2.15.2 does not check who signed a response
// (server/auth_callout.go, decodeResponse: "if response is encrypted none of this is
// needed"), because the sender has the xkey. So a removed key of the callout account
// still works until the xkey is replaced too. The server always checks the signature of
// the user JWT.
func TestRemovedSigningKeySealed(t *testing.T) {
	t.Parallel() // mostly waits
	d := newOperatorEnv(t, callouttest.OperatorConfig{Sealed: true, Timeout: silenceTimeout})
	d.removeSigningKey(callouttest.CalloutAccount)
	d.expectConnect()
	d.replaceSigningKey(callouttest.CalloutAccount)
	d.removeSigningKey(callouttest.AppAccount)
	d.expectRefused("is not known")
	d.replaceSigningKey(callouttest.AppAccount)
	d.expectConnect()

	// The server seals to a new xkey, which usher does not have, so usher cannot answer.
	d.XKey = callouttest.NewKeys(t)
	d.updateAccount(callouttest.CalloutAccount, func(c *jwt.AccountClaims) { c.Authorization.XKey = d.XKey.XKey })
	expectNoAnswer(t, d.Servers[0].URL(), func() bool {
		return latest(d.service.Events(t)).Text("code") == callout.CodeXKeyUnknown
	}, nats.Token("publisher-key"))
	d.WriteKeyring(t)
	callouttest.Must(t, d.service.ReloadKeyring())
	d.expectConnect()
}

// The server closes the connections of a removed signing key. Their clients reconnect
// if there is another key.
//
// Attack: a client stays connected with a user JWT that a stolen signing key signed
// Held by: the servers close the connections of a removed key
func TestConnectionsOfRemovedSigningKey(t *testing.T) {
	d := newOperatorEnv(t, callouttest.OperatorConfig{})
	nc, lost := d.connectPersistent()
	old := d.Signing[callouttest.AppAccount].Issuer
	d.replaceSigningKey(callouttest.AppAccount)
	callouttest.Must(t, nc.FlushTimeout(testTimeout))
	if len(lost) > 0 {
		t.Errorf("adding a key closed a connection: %v", <-lost)
	}
	d.updateAccount(callouttest.AppAccount, func(c *jwt.AccountClaims) { delete(c.SigningKeys, old) })
	d.expectReconnect(nc, lost)
}

// expectReconnect checks that a client loses its connection and reconnects.
func (d *operatorEnv) expectReconnect(nc *nats.Conn, lost chan error) {
	d.t.Helper()
	select {
	case err := <-lost:
		d.t.Logf("disconnected: %v", err)
	case <-time.After(4 * testTimeout):
		d.t.Fatal("timed out waiting for the disconnect")
	}
	callouttest.Eventually(d.t, "the client is connected again", func() bool { return nc.IsConnected() && nc.Stats().Reconnects > 0 || nc.IsClosed() })
	callouttest.Must(d.t, nc.FlushTimeout(testTimeout))
	for _, e := range d.service.Events(d.t) {
		if e.Text("outcome") != "granted" {
			d.t.Errorf("event %v", e)
		}
	}
}

// A revocation in an account JWT ("*": all user JWTs issued before a time) closes the
// connections of auth callout. nats-server 2.15.2 does not check revocations when such a
// client connects, so it can reconnect: usher's directory decides.
func TestRevocation(t *testing.T) {
	d := newOperatorEnv(t, callouttest.OperatorConfig{})
	nc, lost := d.connectPersistent()
	d.updateAccount(callouttest.AppAccount, func(c *jwt.AccountClaims) { c.RevokeAt(jwt.All, time.Now().Add(time.Hour)) })
	d.expectReconnect(nc, lost)
}

// When an account JWT expires, the server closes all connections of the account.
//
// Clients of an expired target account can still reconnect over auth callout:
// nats-server 2.15.2 looks for a newer JWT, finds the same one, and continues
// (server.go, updateAccountWithClaimJWT). To keep a client out, remove its role from
// usher's directory, or the account from allowed_accounts.
//
// When the callout account expires, usher's connections are closed too, and requests
// have no responder. The server refuses clients after its authorization.timeout. usher
// reconnects once the account is valid.
func TestAccountExpires(t *testing.T) {
	t.Parallel() // mostly waits
	d := newOperatorEnv(t, callouttest.OperatorConfig{Timeout: 3})
	expire := func(name string) {
		t.Helper()
		// Within a second of an update the server does not look for a newer JWT, and
		// refuses. So the account expires well after that.
		d.updateAccount(name, func(c *jwt.AccountClaims) { c.Expires = time.Now().Unix() + 3 })
		account, err := d.Servers[0].NATSServer().LookupAccount(d.Accounts[name])
		callouttest.Must(t, err)
		callouttest.Eventually(t, "the account has expired", account.IsExpired)
	}
	nc, lost := d.connectPersistent()
	expire(callouttest.AppAccount)
	d.expectReconnect(nc, lost)
	d.expectConnect()
	d.updateAccount(callouttest.CalloutAccount, func(c *jwt.AccountClaims) { c.Authorization.AllowedAccounts.Remove(d.Accounts[callouttest.AppAccount]) })
	d.expectRefused("not permitted as valid account option")
	d.updateAccount(callouttest.CalloutAccount, func(c *jwt.AccountClaims) { c.Authorization.AllowedAccounts.Add(d.Accounts[callouttest.AppAccount]) })
	d.updateAccount(callouttest.AppAccount, func(c *jwt.AccountClaims) { c.Expires = 0 })
	d.expectConnect()

	expire(callouttest.CalloutAccount)
	before := len(d.service.Settled(t))
	if err := attempt(d.URLs(), nats.Token("publisher-key"), nats.Timeout(4*testTimeout)); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("connect: %v", err)
	}
	callouttest.Eventually(t, "usher is disconnected", func() bool { n, _ := d.service.Connected(); return n == 0 })
	callouttest.Must(t, nc.FlushTimeout(testTimeout)) // connected clients stay connected
	if events := d.service.Settled(t); len(events) > before {
		t.Errorf("usher got requests: %v", events[before:])
	}
	d.updateAccount(callouttest.CalloutAccount, func(c *jwt.AccountClaims) { c.Expires = 0 })
	d.service.WaitReady(t)
	d.expectConnect()
}

// nats-server 2.15.2 ignores the expiry of the operator JWT.
func TestOperatorExpired(t *testing.T) {
	d := newOperatorEnv(t, callouttest.OperatorConfig{Edit: func(name string, c jwt.Claims) {
		if name == "operator" {
			c.Claims().Expires = time.Now().Add(-time.Hour).Unix()
		}
	}})
	d.expectConnect()
}

// When the signing key that signed the account JWTs is not in the operator JWT, the
// server starts, but no client can connect to these accounts. The system account is the
// exception.
func TestOperatorSigningKeyRemoved(t *testing.T) {
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Edit: func(_ string, c jwt.Claims) {
		if operator, ok := c.(*jwt.OperatorClaims); ok {
			operator.SigningKeys = nil
		}
	}})
	for name, opt := range map[string]nats.Option{
		"usher": nats.UserCredentials(o.ServiceCreds), "admin": nats.UserCredentials(o.AdminCreds), "client": nats.Token("publisher-key"),
	} {
		if err := attempt(o.URLs(), opt); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v", name, err)
		}
	}
	callouttest.Must(t, attempt(o.URLs(), nats.UserCredentials(o.SystemCreds)))
}

// When an account JWT is pushed that an unknown key signed, nats-server 2.15.2 answers
// 200 "jwt updated" and stores it, but does not apply it. A loaded account stays as it
// was. An account that is not loaded is refused, also after a restart, until a valid JWT
// is pushed. So the answer to a push does not tell whether it was applied.
func TestPushSignedByUnknownKey(t *testing.T) {
	d := newOperatorEnv(t, callouttest.OperatorConfig{})
	d.expectConnect() // loads APP, not OTHER
	good := d.SigningKey
	var err error
	d.SigningKey, err = nkeys.CreateOperator()
	callouttest.Must(t, err)
	for _, name := range []string{callouttest.AppAccount, callouttest.OtherAccount} {
		d.updateAccount(name, func(c *jwt.AccountClaims) { c.Tags.Add("unknown-signer") }) // PushAccount checks the code 200
	}
	d.expectConnect()
	far := func() error { return attempt(d.URLs(), nats.UserInfo("project=far", "both-key")) }
	if !errors.Is(far(), nats.ErrAuthorization) {
		t.Error("an account JWT that an unknown key signed was applied")
	}
	if reason := nextReason(t, d.refusals); !strings.Contains(reason, "ccount validation failed") {
		t.Errorf("refused because: %s", reason)
	}
	d.SigningKey = good
	for _, name := range []string{callouttest.AppAccount, callouttest.OtherAccount} {
		d.updateAccount(name, func(*jwt.AccountClaims) {})
	}
	d.expectConnect()
	callouttest.Must(t, far())
}
