package callout_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/callout/session"
)

// liveSessions is a registry that several services share, as replicas do.
type liveSessions struct{ *sessions.Registry }

func (l liveSessions) Granted(s *session.Session) { l.Add(s) }

const reloadDirectory = `
users:
  - {name: pia, keys: [{id: one, digest: KEY(pia-key)}, {id: two, digest: KEY(second-key)}]}
  - {name: multi, keys: [{digest: KEY(multi-key)}]}
  - {name: root, keys: [{digest: KEY(root-key)}], service_roles: [service_admin], limits: {connection_types: [leafnode]}}
projects:
  - {name: shop, account: APP, members: [{user: pia, roles: [publisher]}, {user: multi, roles: [publisher]}], topics: [{name: orders, acl: [pia, multi]}]}
  - {name: far, account: OTHER, members: [{user: multi, roles: [publisher]}], topics: [{name: orders, acl: [multi]}]}
`

// reloads is a server in operator mode, and usher.
type reloads struct {
	o        *callouttest.Operator
	service  *callouttest.Service
	registry *sessions.Registry
	cfg      callouttest.ServiceConfig

	mu     sync.Mutex
	closed []string
}

func startReloads(t *testing.T, change func(*callouttest.ServiceConfig)) *reloads {
	t.Helper()
	r := &reloads{o: callouttest.StartOperator(t, callouttest.OperatorConfig{}), registry: sessions.New()}
	r.cfg = callouttest.ServiceConfig{Operator: r.o, Directory: callouttest.WithDigests(reloadDirectory), Sessions: liveSessions{r.registry}}
	if change != nil {
		change(&r.cfg)
	}
	r.service = callouttest.StartService(t, r.cfg)
	return r
}

// connect connects a client that says when its connection is lost.
func (r *reloads) connect(t *testing.T, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	lost := func(nc *nats.Conn, err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.closed = append(r.closed, fmt.Sprintf("%s: %v, %v", nc.Opts.Name, err, nc.LastError()))
	}
	nc, err := nats.Connect(url, append(opts, nats.NoReconnect(), nats.Timeout(testTimeout), nats.DisconnectErrHandler(lost), ignoreErrors())...)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.service.Log)
	}
	t.Cleanup(func() { nc.Opts.DisconnectedErrCB = nil; nc.Close() })
	return nc
}

// expect ends the test unless all requests but n were granted, and no connection was lost.
func (r *reloads) expect(t *testing.T, s *callouttest.Service, requests int) {
	t.Helper()
	events := s.Settled(t)
	for _, e := range events {
		if e.Text("outcome") != "granted" {
			t.Errorf("%s %s: %v", e.Text("user"), e.Text("code"), e)
		}
	}
	if len(events) != requests {
		t.Errorf("%d requests, want %d", len(events), requests)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.closed) > 0 {
		t.Errorf("%d connections were lost: %s", len(r.closed), r.closed[0])
	}
}

// A reload of nats-server closes no connection, whatever it was made with and over.
func TestReloadKeepsTokenClients(t *testing.T) {
	t.Parallel()
	r := startReloads(t, nil)
	srv := r.o.Servers[0]
	conns := []*nats.Conn{
		r.connect(t, srv.URL(), nats.Token("pia-key")),
		r.connect(t, srv.URL(), nats.UserInfo("pia-key", "")),
		r.connect(t, srv.URL(), nats.UserInfo("anybody", "pia-key")),
		r.connect(t, srv.URL(), nats.UserInfo("project=far", ""), nats.Token("multi-key")),
		r.connect(t, srv.URL(), nats.UserInfo("", "another-password"), nats.Token("pia-key")),
		r.connect(t, srv.WebSocketURL(), nats.Token("pia-key")),
		r.connect(t, srv.URL(), nats.UserCredentials(r.o.SentinelCreds), nats.Token("pia-key")),
	}
	lost := make(chan error, 1)
	device := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(srv.MQTTURL()).SetClientID("pia:1").SetUsername("any").SetPassword("pia-key").
		SetAutoReconnect(false).SetConnectTimeout(testTimeout).SetProtocolVersion(4).SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err }))
	callouttest.Must(t, waitMQTT(t, device.Connect()))
	defer device.Disconnect(100)
	far := r.connect(t, srv.URL(), nats.UserInfo("account=OTHER", ""), nats.Token("multi-key"))
	conns = append(conns, far)
	id, err := far.GetClientID()
	callouttest.Must(t, err)
	asked := len(conns) + 2
	script := dialClient(t, srv.URL()) // as nats.js connects
	script.exchange(t, "", `CONNECT {"protocol":1,"verbose":false,"pedantic":false,"lang":"nats.js","version":"3.4.0","auth_token":"pia-key","headers":true,"no_responders":true}`)
	leaf := callouttest.RunServerConfig(t, fmt.Sprintf(`
server_name: leaf
listen: "127.0.0.1:%d"
leafnodes { reconnect: "600s", remotes: [{ url: "nats-leaf://root-key@%s", first_info_timeout: "20s" }] }
`, callouttest.FreePort(t), srv.LeafAddr()))
	callouttest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 })
	r.expect(t, r.service, asked+1)
	for n := range 2 {
		before, _ := r.registry.Find(session.ID{Server: srv.NATSServer().ID(), Client: id})
		before.Decided = before.Decided.Add(time.Hour) // by the clock of another replica
		r.registry.Add(before)
		srv.Reload(t)
		for _, nc := range conns {
			callouttest.Must(t, nc.FlushTimeout(testTimeout))
		}
		callouttest.Must(t, waitMQTT(t, device.Publish("shop/orders", 1, false, "x")))
		script.exchange(t, "")
		r.expect(t, r.service, asked*(n+2)+1) // the server does not ask about leaf nodes
		after, _ := r.registry.Find(before.ID)
		if after.UserNKey == before.UserNKey || after.RequestID == before.RequestID || !after.Started.Equal(before.Started) || !after.Decided.After(before.Decided) ||
			after.Identity.Selection != before.Identity.Selection {
			t.Errorf("reload %d: the session was %+v, and is %+v", n, before, after)
		}
		if account := srv.AccountOf(t, id); account != r.o.Accounts[callouttest.OtherAccount] {
			t.Errorf("reload %d: in account %s", n, account)
		}
	}
	if leaf.NumLeafNodes() != 1 {
		t.Error("the leaf node is not connected")
	}
	select {
	case err := <-lost:
		t.Errorf("the device lost its connection: %v", err)
	default:
	}
}

// The replica that granted a connection may be gone when its server asks again.
func TestReloadAsksAnotherReplica(t *testing.T) {
	t.Parallel()
	r := startReloads(t, nil)
	srv := r.o.Servers[0]
	nc := r.connect(t, srv.URL(), nats.Token("pia-key"))
	r.expect(t, r.service, 1)
	other := callouttest.StartService(t, r.cfg)
	r.service.Stop(t)
	srv.Reload(t)
	callouttest.Must(t, nc.FlushTimeout(testTimeout))
	r.expect(t, other, 1)
}

// 1,000 clients of few users are asked about one after the other, while the server serves
// nobody else. The limits of failures do not count.
func TestReloadOfManyClients(t *testing.T) {
	t.Parallel()
	const clients = 1000
	r := startReloads(t, func(c *callouttest.ServiceConfig) {
		c.FailuresPerHost, c.FailuresPerCredential, c.Connections = 1, 1, 4
	})
	srv := r.o.Servers[0]
	var group sync.WaitGroup
	conns := make([]*nats.Conn, clients)
	for part := range 8 {
		group.Go(func() {
			for i := part; i < clients; i += 8 {
				conns[i] = r.connect(t, srv.URL(), nats.Token("pia-key"))
			}
		})
	}
	group.Wait()
	r.expect(t, r.service, clients)
	for range 2 {
		started := time.Now()
		srv.Reload(t)
		t.Logf("%d clients were asked about in %s", clients, time.Since(started))
	}
	for _, nc := range conns {
		callouttest.Must(t, nc.FlushTimeout(4*testTimeout))
	}
	r.expect(t, r.service, 3*clients)
}

// A key that is revoked is denied when the server asks again, and only its connections are
// closed. That counts as no failure: the next client of this host is decided.
//
// Attack: somebody whose key is revoked stays connected, because nats-server sends no credential when it asks again
// Held by: the key of the session is looked up again, in the directory as it is now
func TestReloadAfterRevocation(t *testing.T) {
	t.Parallel()
	r := startReloads(t, func(c *callouttest.ServiceConfig) { c.FailuresPerHost, c.FailuresPerCredential = 1, 1 })
	srv := r.o.Servers[0]
	var revoked []*nats.Conn
	for range 20 {
		revoked = append(revoked, r.connect(t, srv.URL(), nats.Token("pia-key")))
	}
	second := r.connect(t, srv.URL(), nats.Token("second-key"))
	r.expect(t, r.service, 21)
	r.service.SetDirectory(t, callouttest.WithDigests(strings.Replace(reloadDirectory, "{id: one, digest: KEY(pia-key)}, ", "", 1)))
	srv.Reload(t)
	for _, nc := range revoked {
		callouttest.Eventually(t, "the connection of a revoked key is closed", nc.IsClosed)
	}
	callouttest.Must(t, second.FlushTimeout(testTimeout))
	denied := 0
	for _, e := range r.service.Settled(t) {
		if e.Text("outcome") == "denied" && e.Text("code") == "key_unknown" && e.Text("user") == "pia" {
			denied++
		}
	}
	if denied != len(revoked) {
		t.Errorf("%d of %d connections were denied", denied, len(revoked))
	}
	if nc, err := nats.Connect(srv.URL(), nats.Token("pia-key"), nats.Timeout(testTimeout)); err == nil {
		nc.Close()
		t.Error("a revoked key connects")
	}
	r.connect(t, srv.URL(), nats.Token("second-key"))
}

// Nobody gets a session by its name: neither a new connection, nor another one on the same
// server, nor one that was somebody else.
//
// Attack: a client sends the user name of somebody who is connected, and no credential
// Held by: only the connection that was granted has its session, by the number that its server gave it
func TestNameOfASessionIsNoCredential(t *testing.T) {
	t.Parallel()
	r := startReloads(t, nil)
	srv := r.o.Servers[0]
	r.connect(t, srv.URL(), nats.Token("pia-key"))
	for _, user := range []string{"pia", "pia,project=shop", "root"} {
		nc, err := nats.Connect(srv.URL(), nats.UserInfo(user, ""), nats.NoReconnect(), nats.Timeout(testTimeout))
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v", user, err)
		}
		if err == nil {
			nc.Close()
		}
	}
	// The second CONNECT of a connection: its own name, with nothing or with what is no
	// credential, is its own session.
	for _, password := range []string{"", "no-key"} {
		c := dialClient(t, srv.URL())
		c.exchange(t, "", `CONNECT {"auth_token":"pia-key","protocol":1}`)
		r.service.Settled(t) // the registry has it
		c.exchange(t, "", fmt.Sprintf(`CONNECT {"user":"pia","pass":%q,"protocol":1}`, password), "PUB shop.orders 0", "")
		if !c.refuses(t, `CONNECT {"user":"multi","protocol":1}`) {
			t.Error("a connection of pia became one of multi")
		}
	}
	// Another key of the same user is a credential: it becomes that of the session.
	c := dialClient(t, srv.URL())
	c.exchange(t, "", `CONNECT {"auth_token":"pia-key","protocol":1}`)
	r.service.Settled(t)
	c.exchange(t, "", `CONNECT {"user":"pia","pass":"second-key","protocol":1}`)
	events := r.service.Settled(t)
	if last := events[len(events)-1]; last.Text("key_id") != "two" {
		t.Errorf("the second CONNECT: %v", last)
	}
	// And a wrong token is the last word.
	if !c.refuses(t, `CONNECT {"user":"pia","auth_token":"no-key","protocol":1}`) {
		t.Error("an unknown token was granted")
	}
}

// refuses reports whether the server closes the connection after a line.
func (c *rawClient) refuses(t *testing.T, line string) bool {
	t.Helper()
	_, err := fmt.Fprintf(c.conn, "%s\r\nPING\r\n", line)
	callouttest.Must(t, err)
	for {
		answer, err := c.in.ReadString('\n')
		if err != nil || strings.Contains(answer, "Authorization Violation") {
			return true
		}
		if strings.HasPrefix(answer, "PONG") {
			return false
		}
	}
}

// A session that nobody can explain is denied at once, and is no failure: the server waits
// for the answer, and closes the connection without one too.
func TestReloadOfAdoptedSessions(t *testing.T) {
	t.Parallel()
	r := startReloads(t, func(c *callouttest.ServiceConfig) { c.FailuresPerHost, c.FailuresPerCredential = 1, 1 })
	srv := r.o.Servers[0]
	var conns []*nats.Conn
	for range 20 {
		conns = append(conns, r.connect(t, srv.URL(), nats.Token("pia-key")))
	}
	withPassword := r.connect(t, srv.URL(), nats.UserInfo("any", "pia-key"))
	r.service.Settled(t)
	for s := range r.registry.All {
		adopted := &session.Session{ID: s.ID, Adopted: true}
		adopted.Identity.Name = s.Identity.Name
		r.registry.Remove(s.ID, sessions.Missing)
		r.registry.Add(adopted)
	}
	srv.Reload(t)
	for _, nc := range conns {
		callouttest.Eventually(t, "the connection is closed", nc.IsClosed)
	}
	callouttest.Must(t, withPassword.FlushTimeout(testTimeout))
	events := r.service.Settled(t)
	denied := slices.DeleteFunc(events, func(e callouttest.Event) bool {
		return e.Text("code") != callout.CodeSessionUnknown || e.Text("outcome") != "denied"
	})
	if len(denied) != len(conns) {
		t.Errorf("%d of %d denied", len(denied), len(conns))
	}
}
