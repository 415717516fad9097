package callout_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callouttest"
)

// matrixDirectory has one user in each of two accounts.
const matrixDirectory = `
users:
  - {name: near, keys: [{digest: KEY(near-key)}]}
  - {name: distant, keys: [{digest: KEY(distant-key)}]}
projects:
  - name: shop
    account: APP
    members: [{user: near, roles: [publisher]}]
    topics:
      - {name: orders, acl: [near]}
      - {name: returns, acl: []}
  - name: far
    account: OTHER
    members: [{user: distant, roles: [publisher]}]
    topics: [{name: orders, acl: [distant]}]
`

// site is a nats-server of either mode with the service behind it.
type site struct {
	native              *server.Server
	url, ws, mqtt, leaf string
	service             *callouttest.Service
	admin               *nats.Conn         // in APP, past the callout
	refusals            *nats.Subscription // the server's auth error events
	accounts            map[string]string  // what the server calls an account, by name
	creds, jwt          string             // of the sentinel, if clients bring it: file and user JWT
}

// configSite starts a server with a configuration file. There is no sentinel in
// this mode, so that dimension of the matrix is one row here.
func configSite(t *testing.T, sealed bool) *site {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: sealed})
	s := &site{
		native: srv.Native(), url: srv.URL(), ws: srv.WebSocketURL(), mqtt: srv.MQTTURL(), leaf: srv.LeafAddr(),
		service: callouttest.StartService(t, callouttest.ServiceConfig{
			URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, sealed, keys), Directory: callouttest.Directory(matrixDirectory),
		}),
		admin: srv.Connect(t, callouttest.AdminUser),
		accounts: map[string]string{
			callouttest.AppAccount: callouttest.AppAccount, callouttest.OtherAccount: callouttest.OtherAccount,
		},
	}
	s.watch(t, nats.UserInfo(callouttest.ServiceUser, callouttest.Password))
	return s
}

// operatorSite starts a server in operator mode: with a default sentinel, or for
// clients that bring the sentinel's creds.
func operatorSite(t *testing.T, sealed, bring bool) *site {
	t.Helper()
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Sealed: sealed, NoSentinel: bring})
	srv := o.Servers[0]
	s := &site{
		native: srv.Native(), url: srv.URL(), ws: srv.WebSocketURL(), mqtt: srv.MQTTURL(), leaf: srv.LeafAddr(),
		service:  callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: callouttest.Directory(matrixDirectory)}),
		admin:    o.Admin(t),
		accounts: o.Accounts,
	}
	if bring {
		s.creds, s.jwt = o.SentinelCreds, o.SentinelJWT
	}
	s.watch(t, nats.UserCredentials(o.ServiceCreds))
	return s
}

// watch subscribes to the events of refused clients, in the callout account.
func (s *site) watch(t *testing.T, opt nats.Option) {
	t.Helper()
	nc, err := nats.Connect(s.url, opt, nats.Timeout(patience))
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	s.refusals, err = nc.SubscribeSync("$SYS.ACCOUNT.CLIENT.AUTH.ERR")
	callouttest.Must(t, err)
	callouttest.Must(t, nc.FlushTimeout(patience))
}

// visitor is a client that was let in.
type visitor interface {
	publish(t *testing.T, subject string)
	account(t *testing.T) string // as the server calls it
	leave()
}

// errRefused: the server did not let the client in.
var errRefused = errors.New("refused")

// way is a way to connect with a token, and with the sentinel's creds if the site
// has them. The error is errRefused.
type way struct {
	name    string
	connect func(t *testing.T, s *site, token string) (visitor, error)
}

func everyWay() []way {
	return []way{
		{"TCP", dialTCP},
		{"WebSocket", dialWebSocket},
		{"MQTT", dialMQTT},
		{"leaf node", dialLeaf},
	}
}

// The whole matrix: what a token opens does not depend on how the servers are
// configured, whether requests are sealed, how the client connects, and who has
// the sentinel.
func TestMatrix(t *testing.T) {
	for _, m := range []struct {
		mode, sentinel string
		start          func(t *testing.T, sealed bool) *site
	}{
		{"config", "no sentinel in this mode", configSite},
		{"operator", "default sentinel", func(t *testing.T, sealed bool) *site { t.Helper(); return operatorSite(t, sealed, false) }},
		{"operator", "sentinel creds", func(t *testing.T, sealed bool) *site { t.Helper(); return operatorSite(t, sealed, true) }},
	} {
		for _, wire := range []string{"plain", "sealed"} {
			t.Run(fmt.Sprintf("%s, %s, %s", m.mode, wire, m.sentinel), func(t *testing.T) {
				s := m.start(t, wire == "sealed")
				for _, w := range everyWay() {
					t.Run(w.name, func(t *testing.T) { s.cell(t, w) })
				}
				if t.Failed() {
					t.Log(s.service.Log)
				}
			})
		}
	}
}

// cell is one cell of the matrix.
func (s *site) cell(t *testing.T, w way) {
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
			s.holds(t, v)
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
	if want := []string{"granted", "granted", "key_unknown"}; !slices.Equal(codes, want) {
		t.Errorf("audit: %q, expected %q", codes, want)
	}
	t.Log("granted in APP and OTHER, may publish orders and not returns, unknown token refused")
}

// holds shows what the publisher may do and what not: the message that is not
// allowed is published first, so it would be seen first.
func (s *site) holds(t *testing.T, v visitor) {
	t.Helper()
	sub, err := s.admin.SubscribeSync("shop.>")
	callouttest.Must(t, err)
	defer sub.Unsubscribe() //nolint:errcheck // the connection ends with the test
	callouttest.Must(t, s.admin.FlushTimeout(patience))
	var m *nats.Msg
	// Interest reaches a leaf node on its own time: repeat until one came through.
	callouttest.Eventually(t, "an allowed message came", func() bool {
		v.publish(t, "shop.returns")
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
func TestSentinelAndTokenAreBothNeeded(t *testing.T) {
	s := operatorSite(t, true, true)
	for name, connect := range map[string]func() error{
		"sentinel creds alone, TCP":       func() error { return attempt(s.url, nats.UserCredentials(s.creds)) },
		"sentinel creds alone, WebSocket": func() error { return attempt(s.ws, nats.UserCredentials(s.creds)) },
		"sentinel creds alone, leaf node": func() error { return s.refusedLeaf(t, "") },
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
		"token alone, leaf node": func() error { return s.refusedLeaf(t, "anybody:near-key") },
	} {
		t.Run(name, func(t *testing.T) {
			if connect() == nil {
				t.Error("let in")
			}
		})
	}
	// Both: a token is taken from the user name of a remote's URL, too.
	leaf := bring.extend(t, "both", "near-key")
	callouttest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 })
	s.service.WaitEvent(t, callout.CodeGranted)
	var codes []string
	for _, e := range s.service.Events(t) {
		codes = append(codes, e.Text("code"))
	}
	if no := callout.CodeNoCredential; !slices.Equal(codes, []string{no, no, no, callout.CodeGranted}) {
		t.Errorf("usher was asked: %q", codes)
	}
}

// attempt connects and leaves again.
func attempt(url string, opts ...nats.Option) error {
	nc, err := nats.Connect(url, append([]nats.Option{nats.Timeout(patience), quiet()}, opts...)...)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	nc.Close()
	return nil
}

// refusedLeaf starts a leaf node, and waits until the server has closed its
// connection or it stands.
func (s *site) refusedLeaf(t *testing.T, userinfo string) error {
	t.Helper()
	name := fmt.Sprintf("refused-%d", callouttest.FreePort(t))
	leaf := s.extend(t, name, userinfo)
	refused := false
	callouttest.Eventually(t, "the leaf node is refused", func() bool {
		z, err := s.native.Connz(&server.ConnzOptions{State: server.ConnClosed})
		callouttest.Must(t, err)
		for _, c := range z.Conns {
			refused = refused || c.Name == name
		}
		return refused || leaf.NumLeafNodes() > 0
	})
	if refused {
		return errRefused
	}
	return nil
}

// Clients of NATS send the sentinel's user JWT, signed, and the token beside it.

type natsVisitor struct {
	*nats.Conn
	s *site
}

func dialTCP(t *testing.T, s *site, token string) (visitor, error) {
	t.Helper()
	return dial(t, s, s.url, token)
}

func dialWebSocket(t *testing.T, s *site, token string) (visitor, error) {
	t.Helper()
	return dial(t, s, s.ws, token)
}

func dial(t *testing.T, s *site, url, token string) (visitor, error) {
	t.Helper()
	opts := []nats.Option{nats.Token(token), nats.Timeout(patience), quiet()}
	if s.creds != "" {
		opts = append(opts, nats.UserCredentials(s.creds))
	}
	nc, err := nats.Connect(url, opts...)
	if err != nil { // over WebSocket it can be that of writing to a closed connection
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	return natsVisitor{nc, s}, nil
}

func (v natsVisitor) publish(t *testing.T, subject string) {
	t.Helper()
	callouttest.Must(t, v.Publish(subject, nil))
	callouttest.Must(t, v.FlushTimeout(patience))
}

func (v natsVisitor) account(t *testing.T) string {
	t.Helper()
	cid, err := v.GetClientID()
	callouttest.Must(t, err)
	return v.s.connection(t, &server.ConnzOptions{CID: cid, Username: true})
}

func (v natsVisitor) leave() { v.Close() }

func (s *site) connection(t *testing.T, which *server.ConnzOptions) string {
	t.Helper()
	z, err := s.native.Connz(which)
	callouttest.Must(t, err)
	if len(z.Conns) != 1 {
		t.Fatalf("the server has %d such connections", len(z.Conns))
	}
	return z.Conns[0].Account
}

// MQTT has user name and password. The key is the password, with any user name;
// who brings the sentinel has its user JWT there, and the key as user name.

type mqttVisitor struct {
	mqtt.Client
	s  *site
	id string
}

func dialMQTT(t *testing.T, s *site, token string) (visitor, error) {
	t.Helper()
	id := "of-" + token
	user, password := "anybody", token
	if s.jwt != "" {
		user, password = token, s.jwt
	}
	client := mqtt.NewClient(mqtt.NewClientOptions().
		AddBroker(s.mqtt).SetClientID(id).SetUsername(user).SetPassword(password).
		SetAutoReconnect(false).SetConnectTimeout(patience).SetProtocolVersion(4))
	if err := done(t, client.Connect()); err != nil {
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	return mqttVisitor{client, s, id}, nil
}

func (v mqttVisitor) publish(t *testing.T, subject string) {
	t.Helper()
	callouttest.Must(t, done(t, v.Publish(strings.ReplaceAll(subject, ".", "/"), 0, false, "")))
}

func (v mqttVisitor) account(t *testing.T) string {
	t.Helper()
	return v.s.connection(t, &server.ConnzOptions{MQTTClient: v.id, Username: true})
}

func (v mqttVisitor) leave() { v.Disconnect(100) }

// A leaf node's remote may have creds and, in its URL, user and password: it sends
// both. Without a colon in the URL, the user name goes into auth_token too.

type leafVisitor struct {
	*nats.Conn
	leaf *server.Server
	s    *site
}

// extend starts a nats-server that extends the site as a leaf node with the given
// user part of the URL, and the sentinel's creds if the site has them.
func (s *site) extend(t *testing.T, name, userinfo string) *server.Server {
	t.Helper()
	creds := ""
	if userinfo != "" {
		userinfo += "@"
	}
	if s.creds != "" {
		creds = fmt.Sprintf(", credentials: %q", filepath.ToSlash(s.creds))
	}
	text := fmt.Sprintf(`
server_name: %q
listen: "127.0.0.1:%d"
leafnodes { reconnect: "600s", remotes: [{ url: "nats-leaf://%s%s"%s }] }
`, name, callouttest.FreePort(t), userinfo, s.leaf, creds)
	file := filepath.Join(t.TempDir(), "leaf.conf")
	callouttest.Must(t, os.WriteFile(file, []byte(text), 0o600))
	opts, err := server.ProcessConfigFile(file)
	callouttest.Must(t, err)
	opts.NoLog, opts.NoSigs = true, true
	leaf, err := server.NewServer(opts)
	callouttest.Must(t, err)
	leaf.Start()
	t.Cleanup(func() {
		leaf.Shutdown()
		leaf.WaitForShutdown()
	})
	if !leaf.ReadyForConnections(20 * time.Second) {
		t.Fatal("the leaf node did not become ready")
	}
	return leaf
}

func dialLeaf(t *testing.T, s *site, token string) (visitor, error) {
	t.Helper()
	before := len(s.service.Events(t))
	leaf := s.extend(t, "leaf-of-"+token, "anybody:"+token)
	var event callouttest.Event
	callouttest.Eventually(t, "the leaf node has asked", func() bool {
		events := s.service.Events(t)
		if len(events) > before {
			event = events[before]
		}
		return event != nil
	})
	if event.Text("client_kind") != "Leafnode" {
		t.Fatalf("somebody else has asked: %v", event)
	}
	if event.Text("outcome") != "granted" {
		return nil, errRefused
	}
	callouttest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 })
	nc, err := nats.Connect(leaf.ClientURL(), nats.Timeout(patience), quiet())
	callouttest.Must(t, err)
	return leafVisitor{nc, leaf, s}, nil
}

func (v leafVisitor) publish(t *testing.T, subject string) {
	t.Helper()
	callouttest.Must(t, v.Publish(subject, nil))
	callouttest.Must(t, v.FlushTimeout(patience))
}

func (v leafVisitor) account(t *testing.T) string {
	t.Helper()
	z, err := v.s.native.Leafz(nil)
	callouttest.Must(t, err)
	for _, l := range z.Leafs {
		if l.Name == v.leaf.Name() {
			return l.Account
		}
	}
	t.Fatalf("the server knows of no leaf node %q", v.leaf.Name())
	return ""
}

func (v leafVisitor) leave() {
	v.Close()
	v.leaf.Shutdown()
	v.leaf.WaitForShutdown()
}
