package permissions_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"usher/identity"
	"usher/permissions"
)

// timeout is the time that server and client wait for each other.
const timeout = 60 * time.Second

// startServer runs nats-server with one account and these users, password "p".
func startServer(t *testing.T, users map[string]*server.Permissions, changes ...func(*server.Options)) *server.Server {
	t.Helper()
	account := server.NewAccount("APP")
	opts := &server.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
		AuthTimeout: timeout.Seconds(),
		Accounts:    []*server.Account{account},
	}
	for name, perms := range users {
		opts.Users = append(opts.Users, &server.User{Username: name, Password: "p", Account: account, Permissions: perms})
	}
	for _, change := range changes {
		change(opts)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(timeout) {
		t.Fatal("nats-server did not become ready")
	}
	if a, err := s.LookupAccount("APP"); err != nil || a.EnableJetStream(nil, nil) != nil {
		t.Fatal("no JetStream in the account")
	}
	return s
}

// permissionsOf returns the permissions of a grant as nats-server has them.
func permissionsOf(g *permissions.Grant) *server.Permissions {
	side := func(s permissions.Side) *server.SubjectPermission {
		return &server.SubjectPermission{Allow: g.Subjects(s, permissions.Allow), Deny: g.Subjects(s, permissions.Deny)}
	}
	return &server.Permissions{Publish: side(permissions.Publish), Subscribe: side(permissions.Subscribe)}
}

// rawClient speaks the NATS protocol itself, so that no library checks anything before.
type rawClient struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, s *server.Server, user string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w := &rawClient{t, conn, bufio.NewReader(conn)}
	w.line()
	w.send("CONNECT {\"verbose\":false,\"user\":%q,\"pass\":\"p\"}\r\n", user)
	if got := w.untilPong(); len(got) > 0 {
		t.Fatalf("%s: %q", user, got)
	}
	return w
}

func (w *rawClient) send(format string, args ...any) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w.conn, format, args...); err != nil {
		w.t.Fatal(err)
	}
}

// line returns the next line from the server, except for its PINGs, of which the first
// comes two seconds after the connection.
func (w *rawClient) line() string {
	w.t.Helper()
	for {
		if err := w.conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			w.t.Fatal(err)
		}
		line, err := w.in.ReadString('\n')
		if err != nil {
			w.t.Fatal(err)
		}
		if line = strings.TrimSpace(line); line != "PING" {
			return line
		}
	}
}

// untilPong sends a PING and returns the lines that come before the PONG.
func (w *rawClient) untilPong() []string {
	w.t.Helper()
	w.send("PING\r\n")
	var out []string
	for {
		line := w.line()
		if line == "PONG" {
			return out
		}
		out = append(out, line)
	}
}

// allowed tries it on the server.
func (w *rawClient) allowed(side permissions.Side, subject string) bool {
	w.t.Helper()
	if side == permissions.Publish {
		w.send("PUB %s 0\r\n\r\n", subject)
	} else {
		w.send("SUB %s 1\r\nUNSUB 1\r\n", subject)
	}
	for _, line := range w.untilPong() {
		if strings.HasPrefix(line, "-ERR 'Permissions Violation") {
			return false
		}
	}
	return true
}

var probes = []string{
	"shop.orders", "shop.returns", "shop.x.y", "shop", "lab.raw", "lab.results", "moon.dust", "market.prices", "market", "shop.market.prices", "shop.market", "x",
	"$JS.API.CONSUMER.MSG.NEXT.shop.billing", "$JS.API.CONSUMER.MSG.NEXT.shop.audit", "$JS.API.CONSUMER.MSG.NEXT.lab.reader",
	"$JS.API.STREAM.INFO.shop", "$JS.API.STREAM.CREATE.shop", "$JS.ACK.shop.billing.1.2.3.4.5", "$JS.ACK.lab.reader.1",
	"_INBOX.x", "_INBOX_pia.x", "_INBOX_pia", "_INBOX_ann.x", "_INBOX_root.a.b", "_STAN.discover.event-service", "_STAN.discover.event-service.x",
	"_STAN.pub.a.habitat", "_STAN.pub.a.b", "_STAN.close.x", "habitat.event.x", "habitat.event.x.y", "_HB.a.b", "$SYS.REQ.USER.AUTH", "$SYS.REQ.USER.INFO",
}

var wildProbes = []string{
	">", "*", "*.*", "*.>", "shop.>", "shop.*", "shop.*.>", "lab.>", "market.*", "market.>", "shop.market.*", "_INBOX.>", "_INBOX_pia.>", "_INBOX_pia.*",
	"_INBOX_*.>", "*.x", "_HB.*", "_STAN.>", "_STAN.acks.*", "_STAN.discover.event-service.*", "$SYS.>", "$SYS.REQ.USER.*", "*.REQ.USER.AUTH",
}

// Grant.Check agrees with a real nats-server.
func TestCheckAgreesWithServer(t *testing.T) {
	snapshot, grants := snapshotOf(t, testDirectory()), map[string]permissions.Grant{}
	users := map[string]*server.Permissions{}
	for _, name := range []string{"ann", "pia", "carl", "bob", "idle", "wide", "hab", "hyb", "root"} {
		g, err := derive(t, newPolicy(), snapshot, name, identity.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		grants[name], users[name] = g, permissionsOf(&g)
	}
	s := startServer(t, users)
	for name, g := range grants {
		w := dial(t, s, name)
		for _, side := range permissions.Sides() {
			subjects := probes
			if side == permissions.Subscribe {
				subjects = append(wildProbes[:len(wildProbes):len(wildProbes)], probes...)
			}
			for _, subject := range subjects {
				if got, want := g.Check(side, subject).Allowed, w.allowed(side, subject); got != want {
					t.Errorf("%s %s %s: Check says %v, nats-server says %v", name, side, subject, got, want)
				}
			}
		}
	}
}

// With a subscribe rule that ends in "*", nats-server 2.15 also allows a subscription
// with ">" in its place, because it looks up the subscription as if it were a subject.
// Check and Validate take that into account. If this test fails, the server has fixed it.
//
// Attack: a client with permission for a.* subscribes to a.>
// Held by: a subscribe rule that ends in * counts as if it ended in >, as it does in the server
func TestServerAllowsFullWildcardForStar(t *testing.T) {
	reader, writer := validGrant(pubAllow("x"), subAllow("a.*")), validGrant(pubAllow("a.>"), subDeny(">"))
	s := startServer(t, map[string]*server.Permissions{"reader": permissionsOf(reader), "writer": permissionsOf(writer)})
	r, w := dial(t, s, "reader"), dial(t, s, "writer")
	for _, subject := range []string{"a.>", "a.*", "a.b", "a.b.c", "a.b.>", "a.*.>", ">", "*", "*.>"} {
		if got, want := reader.Check(permissions.Subscribe, subject).Allowed, r.allowed(permissions.Subscribe, subject); got != want {
			t.Errorf("%s: Check says %v, nats-server says %v", subject, got, want)
		}
	}
	r.send("SUB a.> 7\r\n")
	r.untilPong()
	w.send("PUB a.b.c 0\r\n\r\n")
	w.untilPong()
	if got := r.untilPong(); len(got) == 0 || !strings.HasPrefix(got[0], "MSG a.b.c 7 ") {
		t.Errorf("got %q", got)
	}
}

// A subscription that a denial covers in part is filtered, not refused.
func TestServerFiltersDenied(t *testing.T) {
	reader, writer := validGrant(pubAllow("x"), subAllow(">"), subDeny("a.secret")), validGrant(pubAllow("a.>"), subDeny(">"))
	s := startServer(t, map[string]*server.Permissions{"reader": permissionsOf(reader), "writer": permissionsOf(writer)})
	if v := reader.Check(permissions.Subscribe, "a.>"); !v.Allowed || !v.Filtered {
		t.Errorf("got %+v", v)
	}
	for _, queue := range []string{"", "workers "} {
		r, w := dial(t, s, "reader"), dial(t, s, "writer")
		r.send("SUB a.> %s7\r\n", queue)
		r.untilPong()
		w.send("PUB a.secret 0\r\n\r\nPUB a.open 0\r\n\r\n")
		w.untilPong()
		if got := r.untilPong(); len(got) == 0 || !strings.HasPrefix(got[0], "MSG a.open 7 ") {
			t.Errorf("queue %q: got %q", queue, got)
		}
	}
}

// What an account does not isolate (docs/explanation/isolation.md): nats-server does not check the
// reply subject of a request. A consumer of one project can therefore have messages
// delivered to a topic of another project in the same account.
func TestServerChecksNoReplySubject(t *testing.T) {
	snapshot := snapshotOf(t, testDirectory())
	users := map[string]*server.Permissions{"free": nil}
	for _, name := range []string{"carl", "ann"} {
		g, err := derive(t, newPolicy(), snapshot, name, identity.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		if g.Check(permissions.Publish, "lab.results").Allowed {
			t.Fatalf("%s may publish to the other project", name)
		}
		users[name] = permissionsOf(&g)
	}
	s := startServer(t, users)
	free := dial(t, s, "free")
	request := func(subject, body string) string {
		free.send("SUB r 1\r\nUNSUB 1 1\r\nPUB %s r %d\r\n%s\r\n", subject, len(body), body)
		free.line()
		reply := free.line()
		free.untilPong()
		return reply
	}
	for _, call := range [][2]string{
		{"$JS.API.STREAM.CREATE.shop", `{"name":"shop","subjects":["shop.>"]}`},
		{"$JS.API.CONSUMER.DURABLE.CREATE.shop.billing", `{"stream_name":"shop","config":{"durable_name":"billing","ack_policy":"explicit"}}`},
		{"shop.orders", "secret"},
	} {
		if reply := request(call[0], call[1]); strings.Contains(reply, `"error"`) {
			t.Fatal(reply)
		}
	}
	free.send("SUB lab.results 2\r\n")
	free.untilPong()
	expect := func(what string) {
		t.Helper()
		if head, body := free.line(), free.line(); !strings.Contains(head, " 2 ") || !strings.Contains(body, "secret") {
			t.Errorf("%s: got %q %q", what, head, body)
		}
	}
	carl := dial(t, s, "carl")
	if carl.allowed(permissions.Publish, "lab.results") {
		t.Error("carl publishes to the other project")
	}
	carl.send("PUB $JS.API.CONSUMER.MSG.NEXT.shop.billing lab.results 0\r\n\r\n")
	if got := carl.untilPong(); len(got) > 0 {
		t.Errorf("the request is refused: %q", got)
	}
	expect("a consumer directs MSG.NEXT to the other project")

	// A project admin can do the same with a push consumer, permanently.
	ann := dial(t, s, "ann")
	create := `{"stream_name":"shop","config":{"name":"push","deliver_subject":"lab.results","ack_policy":"none"}}`
	ann.send("PUB $JS.API.CONSUMER.CREATE.shop.push _INBOX_ann.1 %d\r\n%s\r\n", len(create), create)
	if got := ann.untilPong(); len(got) > 0 {
		t.Errorf("the request is refused: %q", got)
	}
	expect("an admin's push consumer delivers to the other project")
}
