package callout_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/callout"
	"usher/callout/callouttest"
)

// matrixDirectory has one user in each of two accounts, and one in each that may
// connect a leaf node.
const matrixDirectory = `
users:
  - {name: near, keys: [{digest: KEY(near-key)}]}
  - {name: distant, keys: [{digest: KEY(distant-key)}]}
  - {name: leaf-near, keys: [{digest: KEY(leaf-near-key)}], limits: {connection_types: [leafnode]}}
  - {name: leaf-distant, keys: [{digest: KEY(leaf-distant-key)}], limits: {connection_types: [leafnode]}}
projects:
  - name: shop
    account: APP
    members: [{user: near, roles: [publisher]}, {user: leaf-near, roles: [project_admin]}]
    topics:
      - {name: orders, acl: [near]}
      - {name: expectReconnect, acl: []}
  - name: far
    account: OTHER
    members: [{user: distant, roles: [publisher]}, {user: leaf-distant, roles: [project_admin]}]
    topics: [{name: orders, acl: [distant]}]
`

// deployment is a nats-server in either mode, and a service.
type deployment struct {
	system              *nats.Conn // in the system account
	url, ws, mqtt, leaf string
	service             *callouttest.Service
	admin               *nats.Conn         // in APP, without auth callout
	refusals            *nats.Subscription // the server's auth error events
	accounts            map[string]string  // names or public keys of the accounts on the server, by name
	creds, jwt          string             // of the sentinel, if clients have it: file and user JWT
	reload              func(n int)        // of the server's configuration, which changes with n
}

// startConfigMode starts a server in config mode, which has no sentinel.
func startConfigMode(t *testing.T, sealed bool) *deployment {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: sealed, Program: *serverProgram})
	s := &deployment{
		system: srv.Connect(t, callouttest.SystemUser), url: srv.URL(), ws: srv.WebSocketURL(), mqtt: srv.MQTTURL(), leaf: srv.LeafAddr(),
		service: callouttest.StartService(t, callouttest.ServiceConfig{
			URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, sealed, keys), Directory: callouttest.WithDigests(matrixDirectory),
			Sessions: liveSessions{sessions.New()},
		}),
		admin:  srv.Connect(t, callouttest.AdminUser),
		reload: func(n int) { srv.Reload(t, fmt.Sprintf("debug: %t\n", n%2 == 0)) },
		accounts: map[string]string{
			callouttest.AppAccount: callouttest.AppAccount, callouttest.OtherAccount: callouttest.OtherAccount,
		},
	}
	s.watch(t, nats.UserInfo(callouttest.ServiceUser, callouttest.Password))
	return s
}

// startOperatorMode starts a server in operator mode. It has a default sentinel, or its
// clients use the sentinel's creds.
func startOperatorMode(t *testing.T, sealed, sentinelCreds bool) *deployment {
	t.Helper()
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Sealed: sealed, NoSentinel: sentinelCreds, Program: *serverProgram})
	srv := o.Servers[0]
	s := &deployment{
		system: o.ConnectSystem(t), url: srv.URL(), ws: srv.WebSocketURL(), mqtt: srv.MQTTURL(), leaf: srv.LeafAddr(),
		service:  callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(matrixDirectory), Sessions: liveSessions{sessions.New()}}),
		admin:    o.ConnectAdmin(t),
		reload:   func(int) { srv.Reload(t) },
		accounts: o.Accounts,
	}
	if sentinelCreds {
		s.creds, s.jwt = o.SentinelCreds, o.SentinelJWT
	}
	s.watch(t, nats.UserCredentials(o.ServiceCreds))
	return s
}

// watch subscribes to the auth error events in the callout account.
func (s *deployment) watch(t *testing.T, opt nats.Option) {
	t.Helper()
	nc, err := nats.Connect(s.url, opt, nats.Timeout(testTimeout))
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	s.refusals, err = nc.SubscribeSync("$SYS.ACCOUNT.CLIENT.AUTH.ERR")
	callouttest.Must(t, err)
	callouttest.Must(t, nc.FlushTimeout(testTimeout))
}

// A token gives the same access in every mode, whether requests are sealed or not, over
// every transport, with a default sentinel or sentinel creds, and with every release of
// nats-server that supports it.
func TestMatrix(t *testing.T) {
	t.Parallel() // mostly waits
	release := serverRelease(t)
	for _, m := range modes() {
		for _, wire := range []string{"plain", "sealed"} {
			t.Run(fmt.Sprintf("%s, %s, %s", m.name, wire, m.sentinel), func(t *testing.T) {
				if !release.has(m.since) {
					expectConfigError(t, m.file(t, wire == "sealed"), "default_sentinel")
					return
				}
				s := m.start(t, wire == "sealed")
				for _, w := range transports() {
					t.Run(w.name, func(t *testing.T) {
						if release.has(m.from(w)) {
							s.checkCell(t, w)
						} else {
							s.checkUnsupported(t, w)
						}
					})
				}
				if t.Failed() {
					t.Log(s.service.Log)
				}
			})
		}
	}
}

// checkUnsupported checks a cell that this release does not support: the server refuses
// the client without a request.
func (s *deployment) checkUnsupported(t *testing.T, w transport) {
	t.Helper()
	before := len(s.service.Settled(t))
	if v, err := w.connect(t, s, "near-key"); err == nil {
		v.close()
		t.Error("connected: docs/reference/compatibility.md says that this release does not support it")
	} else if !errors.Is(err, errRefused) {
		t.Error(err)
	}
	if requests := s.service.Settled(t)[before:]; len(requests) > 0 {
		t.Errorf("usher got requests: %v", requests)
	}
}

// checkCell checks one cell of the matrix.
func (s *deployment) checkCell(t *testing.T, w transport) {
	t.Helper()
	before := len(s.service.Settled(t))
	for _, c := range []struct{ token, account string }{
		{"near-key", callouttest.AppAccount},
		{"distant-key", callouttest.OtherAccount},
	} {
		v, err := w.connect(t, s, c.token)
		callouttest.Must(t, err)
		if account := v.account(t); account != s.accounts[c.account] {
			t.Errorf("%s: account %s, want %s", c.token, account, s.accounts[c.account])
		}
		if c.account == callouttest.AppAccount {
			s.checkPermissions(t, v, w.refused)
		}
		v.close()
	}
	v, err := w.connect(t, s, "unknown-key")
	if err == nil {
		v.close()
		t.Fatal("connected with an unknown token")
	}
	if !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	if reason := nextReason(t, s.refusals); !strings.Contains(reason, "denied, request ") {
		t.Errorf("refused because: %s", reason)
	}
	var codes []string
	callouttest.Eventually(t, "the three requests are in the audit", func() bool {
		codes = codes[:0]
		for _, e := range s.service.Events(t)[before:] {
			codes = append(codes, e.Text("code"))
		}
		return len(codes) >= 3
	})
	slices.Sort(codes) // workers record them in any order
	if want := []string{"granted", "granted", "key_unknown"}; !slices.Equal(codes, want) {
		t.Errorf("audit: %q, want %q", codes, want)
	}
	t.Logf("granted in APP and OTHER, may publish shop.orders and not %s, unknown token refused", w.refused)
}

// checkPermissions checks what the publisher may publish. It publishes the forbidden
// message first, which would arrive first.
func (s *deployment) checkPermissions(t *testing.T, v matrixClient, refused string) {
	t.Helper()
	sub, err := s.admin.SubscribeSync("*.*")
	callouttest.Must(t, err)
	defer sub.Unsubscribe() //nolint:errcheck // the connection ends with the test
	callouttest.Must(t, s.admin.FlushTimeout(testTimeout))
	var m *nats.Msg
	// Interest is propagated to a leaf node asynchronously: retry until a message arrives.
	callouttest.Eventually(t, "an allowed message arrives", func() bool {
		v.publish(t, refused)
		v.publish(t, "shop.orders")
		m, err = sub.NextMsg(200 * time.Millisecond)
		return err == nil
	})
	if m.Subject != "shop.orders" {
		t.Errorf("could publish %s", m.Subject)
	}
}

// The sentinel alone gives no access. Without a default sentinel, a token alone gives
// none either: the server refuses it without a request.
//
// Attack: a client connects with only the sentinel, which is public
// Held by: the sentinel gives no access; usher denies a request without a credential
func TestSentinelAndTokenAreBothNeeded(t *testing.T) {
	s := startOperatorMode(t, true, true)
	for name, connect := range map[string]func() error{
		"sentinel creds only, TCP":       func() error { return attempt(s.url, nats.UserCredentials(s.creds)) },
		"sentinel creds only, WebSocket": func() error { return attempt(s.ws, nats.UserCredentials(s.creds)) },
		"sentinel creds only, leaf node": func() error { return s.connectLeaf(t, "") },
	} {
		t.Run(name, func(t *testing.T) {
			if connect() == nil {
				t.Error("connected")
			}
			if reason := nextReason(t, s.refusals); !strings.Contains(reason, "denied, request ") {
				t.Errorf("refused because: %s", reason)
			}
		})
	}
	withCreds := *s
	s.creds, s.jwt = "", ""
	for name, connect := range map[string]func() error{
		"token only, TCP":       func() error { return attempt(s.url, nats.Token("near-key")) },
		"token only, MQTT":      func() error { _, err := dialMQTT(t, s, "near-key"); return err },
		"token only, leaf node": func() error { return s.connectLeaf(t, "anybody:leaf-near-key") },
	} {
		t.Run(name, func(t *testing.T) {
			if connect() == nil {
				t.Error("connected")
			}
		})
	}
	// Both. The user name in the URL of a remote can be the token.
	leaf := withCreds.startLeafServer(t, "both", "leaf-near-key")
	callouttest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 })
	var codes []string
	callouttest.Eventually(t, "all requests are in the audit", func() bool {
		codes = nil
		for _, e := range s.service.Events(t) {
			codes = append(codes, e.Text("code"))
		}
		return len(codes) >= 4
	})
	slices.Sort(codes) // workers record them in any order
	if denied := callout.CodeNoCredential; !slices.Equal(codes, []string{callout.CodeGranted, denied, denied, denied}) {
		t.Errorf("usher got requests: %q", codes)
	}
}

// attempt connects and disconnects.
func attempt(url string, opts ...nats.Option) error {
	nc, err := nats.Connect(url, append([]nats.Option{nats.Timeout(testTimeout), ignoreErrors()}, opts...)...)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	nc.Close()
	return nil
}

// connectLeaf starts a leaf node, and waits until it is connected or refused.
func (s *deployment) connectLeaf(t *testing.T, userinfo string) error {
	t.Helper()
	name := fmt.Sprintf("refused-%d", callouttest.FreePort(t))
	leaf := s.startLeafServer(t, name, userinfo)
	refused := false
	callouttest.Eventually(t, "the leaf node is connected or refused", func() bool {
		for _, c := range s.connections(t, server.ConnzOptions{State: server.ConnClosed}) {
			refused = refused || c.Name == name
		}
		return refused || leaf.NumLeafNodes() > 0
	})
	if refused {
		return errRefused
	}
	return nil
}
