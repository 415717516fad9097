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

// operatorEnv is an operator's servers with the service behind them.
type operatorEnv struct {
	*callouttest.Operator
	t        *testing.T
	service  *callouttest.Service
	refusals *nats.Subscription // what servers say of those they refuse
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
		callouttest.Eventually(t, "the server knows of the service and of who listens", func() bool {
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

// expectConnect expects every server to let the publisher in.
func (d *operatorEnv) expectConnect() {
	d.t.Helper()
	for _, s := range d.Servers {
		if err := attempt(s.URL(), nats.Token("publisher-key"), nats.IgnoreDiscoveredServers()); err != nil {
			d.t.Errorf("%s: %v\n%s", s.Name, err, d.service.Log)
		}
	}
}

// connectPersistent lets the publisher in on the first server, as a client that comes back by
// itself. Its connections and losses are counted.
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

// expectRefused expects every server to refuse the publisher for this reason, though
// usher granted it: in usher's audit nothing is wrong, and the reason is in the
// server's auth error event.
func (d *operatorEnv) expectRefused(reason string) {
	d.t.Helper()
	for _, s := range d.Servers {
		before := len(d.service.Events(d.t))
		if attempt(s.URL(), nats.Token("publisher-key"), nats.IgnoreDiscoveredServers()) == nil {
			d.t.Errorf("%s let a client in, expected: %s", s.Name, reason)
			continue
		}
		if got := nextReason(d.t, d.refusals); !strings.Contains(got, reason) {
			d.t.Errorf("%s refused because: %s; expected: %s", s.Name, got, reason)
		}
		callouttest.Eventually(d.t, "it is in the audit", func() bool { return len(d.service.Events(d.t)) > before })
		if e := d.service.Events(d.t)[before]; e.Text("code") != callout.CodeGranted || e.Text("server_name") != s.Name {
			d.t.Errorf("%s: event %v", s.Name, e)
		}
	}
}

// change pushes an account as changed.
func (d *operatorEnv) change(name string, change func(c *jwt.AccountClaims)) {
	d.t.Helper()
	c := d.ReadAccount(d.t, name)
	change(c)
	d.PushAccount(d.t, name, c)
}

// remove takes an account's signing key out of its JWT.
func (d *operatorEnv) remove(name string) {
	d.t.Helper()
	d.change(name, func(c *jwt.AccountClaims) { delete(c.SigningKeys, d.Signing[name].Issuer) })
}

// replace gives an account a new signing key, in its JWT and in the keyring.
func (d *operatorEnv) replace(name string) {
	d.t.Helper()
	d.Signing[name] = callouttest.NewKeys(d.t)
	d.change(name, func(c *jwt.AccountClaims) { c.SigningKeys.Add(d.Signing[name].Issuer) })
	d.WriteKeyring(d.t)
	callouttest.Must(d.t, d.service.ReloadKeyring())
}

// An account's signing key is taken away while usher still signs with it, as
// after a compromise: every server of a cluster refuses what it signed, at once.
// With the next key all is well again.
//
// Attack: minting users with a stolen signing key
// Held by: a retired key is taken out of the account JWT, and every server refuses what it signed
func TestRemovedSigningKeyIsRefusedEverywhere(t *testing.T) {
	d := newOperatorEnv(t, callouttest.OperatorConfig{Servers: 3})
	d.expectConnect()
	d.remove(callouttest.AppAccount)
	d.expectRefused("is not known") // User JWT issuer "A…" is not known
	d.replace(callouttest.AppAccount)
	d.expectConnect()
	d.remove(callouttest.CalloutAccount)
	d.expectRefused("signing key is unknown")
	d.replace(callouttest.CalloutAccount)
	d.expectConnect()
}

// The same with sealed requests. nats-server 2.15.2 does not look at who signed a
// sealed response (server/auth_callout.go, decodeResponse: "if response is
// encrypted none of this is needed"): that it could be sealed shows that the
// sender has the xkey. So a removed key of the callout account still serves;
// whoever wants it to be of no use has to replace the xkey too. What signed the
// user JWT is looked at in any case.
func TestRemovedSigningKeySealed(t *testing.T) {
	t.Parallel() // it waits, and so do others
	d := newOperatorEnv(t, callouttest.OperatorConfig{Sealed: true, Timeout: silenceTimeout})
	d.remove(callouttest.CalloutAccount)
	d.expectConnect()
	d.replace(callouttest.CalloutAccount)
	d.remove(callouttest.AppAccount)
	d.expectRefused("is not known")
	d.replace(callouttest.AppAccount)
	d.expectConnect()

	// The old xkey: the server seals to the new one, which usher cannot open. It
	// does not answer, and says so.
	d.XKey = callouttest.NewKeys(t)
	d.change(callouttest.CalloutAccount, func(c *jwt.AccountClaims) { c.Authorization.XKey = d.XKey.XKey })
	expectNoAnswer(t, d.Servers[0].URL(), func() bool {
		return latest(d.service.Events(t)).Text("code") == callout.CodeXKeyUnknown
	}, nats.Token("publisher-key"))
	d.WriteKeyring(t)
	callouttest.Must(t, d.service.ReloadKeyring())
	d.expectConnect()
}

// A key that is removed takes its live connections with it: the server closes
// them, and the clients come back with the next key if it is there by then.
//
// Attack: staying connected on a user JWT that a stolen signing key made
// Held by: the servers close the connections of a removed key
func TestLiveConnectionsOfARemovedSigningKey(t *testing.T) {
	d := newOperatorEnv(t, callouttest.OperatorConfig{})
	nc, lost := d.connectPersistent()
	old := d.Signing[callouttest.AppAccount].Issuer
	d.replace(callouttest.AppAccount)
	callouttest.Must(t, nc.FlushTimeout(testTimeout))
	if len(lost) > 0 {
		t.Errorf("adding a key closed a connection: %v", <-lost)
	}
	d.change(callouttest.AppAccount, func(c *jwt.AccountClaims) { delete(c.SigningKeys, old) })
	d.expectReconnect(nc, lost)
}

// expectReconnect expects a client to lose its connection and to come back by itself.
func (d *operatorEnv) expectReconnect(nc *nats.Conn, lost chan error) {
	d.t.Helper()
	select {
	case err := <-lost:
		d.t.Logf("the connection ended: %v", err)
	case <-time.After(4 * testTimeout):
		d.t.Fatal("the connection stays")
	}
	callouttest.Eventually(d.t, "the client is connected again", func() bool { return nc.IsConnected() && nc.Stats().Reconnects > 0 || nc.IsClosed() })
	callouttest.Must(d.t, nc.FlushTimeout(testTimeout))
	for _, e := range d.service.Events(d.t) {
		if e.Text("outcome") != "granted" {
			d.t.Errorf("event %v", e)
		}
	}
}

// Revocations of an account ("*": all user JWTs up to a time) close the
// connections that came over auth callout. nats-server 2.15.2 does not look at
// them when such a connection is made, so its client is let in again: usher's
// directory says who may come back.
func TestRevocation(t *testing.T) {
	d := newOperatorEnv(t, callouttest.OperatorConfig{})
	nc, lost := d.connectPersistent()
	d.change(callouttest.AppAccount, func(c *jwt.AccountClaims) { c.RevokeAt(jwt.All, time.Now().Add(time.Hour)) })
	d.expectReconnect(nc, lost)
}

// An account JWT that ends closes every connection of its account.
//
// Of the target account, nats-server 2.15.2 lets clients in again over auth
// callout all the same: it looks for a newer JWT, finds the one it has, and goes
// on (server.go, updateAccountWithClaimJWT). Who must stay out has to lose its
// role in usher's directory, or the account its place in allowed_accounts.
//
// Of the callout account: usher's own connection is lost, and nobody is asked. A
// client hears nothing until the server's authorization.timeout, and is refused
// then. usher comes back by itself.
func TestAccountExpires(t *testing.T) {
	t.Parallel() // it waits, and so do others
	d := newOperatorEnv(t, callouttest.OperatorConfig{Timeout: 3, DisableShortFirstPing: true})
	expire := func(name string) {
		t.Helper()
		// Within a second of an update the server looks for no newer JWT, and refuses:
		// be well above that.
		d.change(name, func(c *jwt.AccountClaims) { c.Expires = time.Now().Unix() + 3 })
		account, err := d.Servers[0].NATSServer().LookupAccount(d.Accounts[name])
		callouttest.Must(t, err)
		callouttest.Eventually(t, "the account has expired", account.IsExpired)
	}
	nc, lost := d.connectPersistent()
	expire(callouttest.AppAccount)
	d.expectReconnect(nc, lost)
	d.expectConnect()
	d.change(callouttest.CalloutAccount, func(c *jwt.AccountClaims) { c.Authorization.AllowedAccounts.Remove(d.Accounts[callouttest.AppAccount]) })
	d.expectRefused("not permitted as valid account option")
	d.change(callouttest.CalloutAccount, func(c *jwt.AccountClaims) { c.Authorization.AllowedAccounts.Add(d.Accounts[callouttest.AppAccount]) })
	d.change(callouttest.AppAccount, func(c *jwt.AccountClaims) { c.Expires = 0 })
	d.expectConnect()

	expire(callouttest.CalloutAccount)
	asked := len(d.service.Events(t))
	if err := attempt(d.URLs(), nats.Token("publisher-key"), nats.Timeout(4*testTimeout)); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("connect: %v", err)
	}
	callouttest.Eventually(t, "usher has lost its connection", func() bool { n, _ := d.service.Connected(); return n == 0 })
	callouttest.Must(t, nc.FlushTimeout(testTimeout)) // who is in stays in
	if events := d.service.Events(t); len(events) > asked {
		t.Errorf("usher was asked: %v", events[asked:])
	}
	d.change(callouttest.CalloutAccount, func(c *jwt.AccountClaims) { c.Expires = 0 })
	d.service.WaitReady(t)
	d.expectConnect()
}

// nats-server 2.15.2 does not look at the expiry of the operator's JWT: it starts
// with one that has ended, and everything below it works.
func TestOperatorExpired(t *testing.T) {
	d := newOperatorEnv(t, callouttest.OperatorConfig{Edit: func(name string, c jwt.Claims) {
		if name == "operator" {
			c.Claims().Expires = time.Now().Add(-time.Hour).Unix()
		}
	}})
	d.expectConnect()
}

// Accounts that an operator's signing key has signed which is not in the
// operator's JWT, such as one that was removed: the server starts with them, and
// lets nobody into them. Only the system account it takes as it is.
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

// Pushed to a running server: nats-server 2.15.2 answers 200 "jwt updated" to an
// account JWT that a stranger signed, and keeps it, in place of the good one. It
// does not go by it: an account that it has in memory stays as it was, and one
// that it has to load is refused, also after a restart, until a good one is
// pushed. So the answer to a push says nothing about whether it was taken.
func TestPushedByAStranger(t *testing.T) {
	d := newOperatorEnv(t, callouttest.OperatorConfig{})
	d.expectConnect() // APP is loaded; OTHER is not
	good := d.SigningKey
	var err error
	d.SigningKey, err = nkeys.CreateOperator()
	callouttest.Must(t, err)
	for _, name := range []string{callouttest.AppAccount, callouttest.OtherAccount} {
		d.change(name, func(c *jwt.AccountClaims) { c.Tags.Add("stranger") }) // Push expects code 200
	}
	d.expectConnect()
	far := func() error { return attempt(d.URLs(), nats.UserInfo("project=far", "both-key")) }
	if !errors.Is(far(), nats.ErrAuthorization) {
		t.Error("an account JWT that a stranger signed was taken")
	}
	if reason := nextReason(t, d.refusals); !strings.Contains(reason, "ccount validation failed") {
		t.Errorf("refused because: %s", reason)
	}
	d.SigningKey = good
	for _, name := range []string{callouttest.AppAccount, callouttest.OtherAccount} {
		d.change(name, func(*jwt.AccountClaims) {})
	}
	d.expectConnect()
	callouttest.Must(t, far())
}
