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

	"usher/callout"
	"usher/callout/callouttest"
)

// matrixDirectory has one user in each of two accounts, and for each one who may
// bring a leaf node there.
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

// deployment is a nats-server of either mode with the service behind it.
type deployment struct {
	system              *nats.Conn // in the system account
	url, ws, mqtt, leaf string
	service             *callouttest.Service
	admin               *nats.Conn         // in APP, past the callout
	refusals            *nats.Subscription // the server's auth error events
	accounts            map[string]string  // what the server calls an account, by name
	creds, jwt          string             // of the sentinel, if clients bring it: file and user JWT
}

// startConfigMode starts a server with a configuration file. There is no sentinel in
// this mode, so that dimension of the matrix is one row here.
func startConfigMode(t *testing.T, sealed bool) *deployment {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: sealed, Program: *serverProgram})
	s := &deployment{
		system: srv.Connect(t, callouttest.SystemUser), url: srv.URL(), ws: srv.WebSocketURL(), mqtt: srv.MQTTURL(), leaf: srv.LeafAddr(),
		service: callouttest.StartService(t, callouttest.ServiceConfig{
			URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, sealed, keys), Directory: callouttest.WithDigests(matrixDirectory),
		}),
		admin: srv.Connect(t, callouttest.AdminUser),
		accounts: map[string]string{
			callouttest.AppAccount: callouttest.AppAccount, callouttest.OtherAccount: callouttest.OtherAccount,
		},
	}
	s.watch(t, nats.UserInfo(callouttest.ServiceUser, callouttest.Password))
	return s
}

// startOperatorMode starts a server in operator mode: with a default sentinel, or for
// clients that bring the sentinel's creds.
func startOperatorMode(t *testing.T, sealed, bring bool) *deployment {
	t.Helper()
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Sealed: sealed, NoSentinel: bring, Program: *serverProgram})
	srv := o.Servers[0]
	s := &deployment{
		system: o.ConnectSystem(t), url: srv.URL(), ws: srv.WebSocketURL(), mqtt: srv.MQTTURL(), leaf: srv.LeafAddr(),
		service:  callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(matrixDirectory)}),
		admin:    o.ConnectAdmin(t),
		accounts: o.Accounts,
	}
	if bring {
		s.creds, s.jwt = o.SentinelCreds, o.SentinelJWT
	}
	s.watch(t, nats.UserCredentials(o.ServiceCreds))
	return s
}

// watch subscribes to the events of refused clients, in the callout account.
func (s *deployment) watch(t *testing.T, opt nats.Option) {
	t.Helper()
	nc, err := nats.Connect(s.url, opt, nats.Timeout(testTimeout))
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	s.refusals, err = nc.SubscribeSync("$SYS.ACCOUNT.CLIENT.AUTH.ERR")
	callouttest.Must(t, err)
	callouttest.Must(t, nc.FlushTimeout(testTimeout))
}

// The whole matrix: what a token opens does not depend on how the servers are
// configured, whether requests are sealed, how the client connects, and who has
// the sentinel; nor on the release of nats-server, from the first that can do it.
func TestMatrix(t *testing.T) {
	t.Parallel() // it waits, and so do others
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

// checkUnsupported is a cell that this release does not have: the server keeps the client
// out by itself.
func (s *deployment) checkUnsupported(t *testing.T, w transport) {
	t.Helper()
	before := len(s.service.Events(t))
	if v, err := w.connect(t, s, "near-key"); err == nil {
		v.leave()
		t.Error("let in: docs/reference/compatibility.md says that this release cannot")
	} else if !errors.Is(err, errRefused) {
		t.Error(err)
	}
	if asked := s.service.Events(t)[before:]; len(asked) > 0 {
		t.Errorf("usher was asked: %v", asked)
	}
}

// checkCell is one cell of the matrix.
func (s *deployment) checkCell(t *testing.T, w transport) {
	t.Helper()
	before := len(s.service.Events(t))
	for _, c := range []struct{ token, account string }{
		{"near-key", callouttest.AppAccount},
		{"distant-key", callouttest.OtherAccount},
	} {
		v, err := w.connect(t, s, c.token)
		callouttest.Must(t, err)
		if account := v.account(t); account != s.accounts[c.account] {
			t.Errorf("%s landed in account %s, expected %s", c.token, account, s.accounts[c.account])
		}
		if c.account == callouttest.AppAccount {
			s.checkPermissions(t, v, w.refused)
		}
		v.leave()
	}
	v, err := w.connect(t, s, "nobody-key")
	if err == nil {
		v.leave()
		t.Fatal("a token that nobody has got in")
	}
	if !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	if reason := nextReason(t, s.refusals); !strings.Contains(reason, "denied, request ") {
		t.Errorf("refused because: %s", reason)
	}
	var codes []string
	callouttest.Eventually(t, "all three are in the audit", func() bool {
		codes = codes[:0]
		for _, e := range s.service.Events(t)[before:] {
			codes = append(codes, e.Text("code"))
		}
		return len(codes) >= 3
	})
	slices.Sort(codes) // workers write them down in any order
	if want := []string{"granted", "granted", "key_unknown"}; !slices.Equal(codes, want) {
		t.Errorf("audit: %q, expected %q", codes, want)
	}
	t.Logf("granted in APP and OTHER, may publish shop.orders and not %s, unknown token refused", w.refused)
}

// checkPermissions shows what the publisher may do and what not: the message that is not
// allowed is published first, so it would be seen first.
func (s *deployment) checkPermissions(t *testing.T, v matrixClient, refused string) {
	t.Helper()
	sub, err := s.admin.SubscribeSync("*.*")
	callouttest.Must(t, err)
	defer sub.Unsubscribe() //nolint:errcheck // the connection ends with the test
	callouttest.Must(t, s.admin.FlushTimeout(testTimeout))
	var m *nats.Msg
	// Interest waitInterest a leaf node on its own time: repeat until one came through.
	callouttest.Eventually(t, "an allowed message came", func() bool {
		v.publish(t, refused)
		v.publish(t, "shop.orders")
		m, err = sub.NextMsg(200 * time.Millisecond)
		return err == nil
	})
	if m.Subject != "shop.orders" {
		t.Errorf("could publish %s", m.Subject)
	}
}

// The sentinel opens nothing by itself, and where servers have no default one, a
// token opens nothing without it: the server refuses that without asking usher.
//
// Attack: connecting with nothing but the sentinel, which anybody may have
// Held by: the sentinel opens nothing; without a credential of a user the answer is no
func TestSentinelAndTokenAreBothNeeded(t *testing.T) {
	s := startOperatorMode(t, true, true)
	for name, connect := range map[string]func() error{
		"sentinel creds alone, TCP":       func() error { return attempt(s.url, nats.UserCredentials(s.creds)) },
		"sentinel creds alone, WebSocket": func() error { return attempt(s.ws, nats.UserCredentials(s.creds)) },
		"sentinel creds alone, leaf node": func() error { return s.connectLeaf(t, "") },
	} {
		t.Run(name, func(t *testing.T) {
			if connect() == nil {
				t.Error("let in")
			}
			if reason := nextReason(t, s.refusals); !strings.Contains(reason, "denied, request ") {
				t.Errorf("refused because: %s", reason)
			}
		})
	}
	bring := *s
	s.creds, s.jwt = "", ""
	for name, connect := range map[string]func() error{
		"token alone, TCP":       func() error { return attempt(s.url, nats.Token("near-key")) },
		"token alone, MQTT":      func() error { _, err := dialMQTT(t, s, "near-key"); return err },
		"token alone, leaf node": func() error { return s.connectLeaf(t, "anybody:leaf-near-key") },
	} {
		t.Run(name, func(t *testing.T) {
			if connect() == nil {
				t.Error("let in")
			}
		})
	}
	// Both: a token is taken from the user name of a remote's URL, too.
	leaf := bring.startLeafServer(t, "both", "leaf-near-key")
	callouttest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 })
	var codes []string
	callouttest.Eventually(t, "all that usher was asked is in its audit", func() bool {
		codes = nil
		for _, e := range s.service.Events(t) {
			codes = append(codes, e.Text("code"))
		}
		return len(codes) >= 4
	})
	slices.Sort(codes) // workers write them down in any order
	if no := callout.CodeNoCredential; !slices.Equal(codes, []string{callout.CodeGranted, no, no, no}) {
		t.Errorf("usher was asked: %q", codes)
	}
}

// attempt connects and leaves again.
func attempt(url string, opts ...nats.Option) error {
	nc, err := nats.Connect(url, append([]nats.Option{nats.Timeout(testTimeout), ignoreErrors()}, opts...)...)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	nc.Close()
	return nil
}

// connectLeaf starts a leaf node, and waits until the server has closed its
// connection or it stands.
func (s *deployment) connectLeaf(t *testing.T, userinfo string) error {
	t.Helper()
	name := fmt.Sprintf("refused-%d", callouttest.FreePort(t))
	leaf := s.startLeafServer(t, name, userinfo)
	refused := false
	callouttest.Eventually(t, "the leaf node is refused", func() bool {
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
