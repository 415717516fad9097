package callout_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/callout/callouttest"
)

// leafDirectory has a user that administers the only project of APP and may connect a
// leaf node.
const leafDirectory = `
users:
  - {name: owner, limits: {connection_types: [leafnode]}, keys: [{digest: KEY(owner-key)}]}
projects:
  - {name: shop, account: APP, members: [{user: owner, roles: [project_admin]}], topics: [{name: orders, acl: []}]}
`

// rawLeaf speaks the leaf node protocol, and sends what a nats-server would not.
type rawLeaf struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// newRawLeaf connects with a token, and reports whether the server accepted it.
func (s testEnv) newRawLeaf(t *testing.T, token string) (*rawLeaf, bool) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.server.LeafAddr())
	callouttest.Must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	callouttest.Must(t, conn.SetDeadline(time.Now().Add(4*testTimeout)))
	l := &rawLeaf{t, conn, bufio.NewReader(conn)}
	if info, err := l.in.ReadString('\n'); err != nil || !strings.HasPrefix(info, "INFO ") {
		t.Fatalf("no INFO: %q, %v", info, err)
	}
	l.send(fmt.Sprintf(`CONNECT {"auth_token":%q,"server_id":"raw","name":"raw","headers":true,"protocol":1}`, token), "PING")
	_, accepted := l.until("PONG")
	return l, accepted
}

func (l *rawLeaf) send(lines ...string) {
	l.t.Helper()
	_, err := io.WriteString(l.conn, strings.Join(lines, "\r\n")+"\r\n")
	callouttest.Must(l.t, err)
}

// message sends a message; reply may be empty.
func (l *rawLeaf) message(subject, reply, body string) {
	l.t.Helper()
	l.send(strings.Join(strings.Fields(fmt.Sprintf("LMSG %s %s %d", subject, reply, len(body))), " "), body)
}

// until reads until a line has the prefix, and returns the line. It returns false if the
// server closed the connection before. It reads bodies of messages as lines.
func (l *rawLeaf) until(prefix string) (string, bool) {
	l.t.Helper()
	for {
		line, err := l.in.ReadString('\n')
		if err != nil {
			if !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") {
				l.t.Fatalf("waiting for %s: %v", prefix, err)
			}
			return "", false
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "PING" {
			l.send("PONG")
		}
		if strings.HasPrefix(line, prefix) {
			return line, true
		}
	}
}

// body reads the body of a message after its protocol line.
func (l *rawLeaf) body(line string) string {
	l.t.Helper()
	fields := strings.Fields(line)
	n, err := strconv.Atoi(fields[len(fields)-1])
	callouttest.Must(l.t, err)
	b := make([]byte, n+2)
	_, err = io.ReadFull(l.in, b)
	callouttest.Must(l.t, err)
	return string(b[:n])
}

// Attack: a leaf node with the key of a member reads and acknowledges messages of all projects in its account
// Held by: only a service_admin, or a project_admin of every project in the account, may connect a leaf node, and only if connection_types allows it
func TestLeafNodeOfAMemberIsDenied(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, true)
	for _, user := range []string{"publisher", "consumer", "padmin", "sadmin", "both", "ingest", "wsonly"} {
		if _, accepted := s.newRawLeaf(t, user+"-key"); accepted {
			t.Errorf("the leaf node of %s was accepted", user)
		}
	}
	s.service.WaitEvent(t, "leafnode_not_allowed")
	for _, e := range s.service.Events(t) {
		if code := e.Text("code"); code != "leafnode_not_allowed" && code != "ambiguous_account" {
			t.Errorf("event: %v", e)
		}
	}
	// All projects that the account has at that time count.
	s.service.SetDirectory(t, callouttest.WithDigests(leafDirectory))
	if _, accepted := s.newRawLeaf(t, "owner-key"); !accepted {
		t.Fatal("the leaf node of the admin of the only project was refused")
	}
	s.service.SetDirectory(t, callouttest.WithDigests(leafDirectory+"  - {name: lab, account: APP}\n"))
	if _, accepted := s.newRawLeaf(t, "owner-key"); accepted {
		t.Error("the leaf node was accepted although the account has another project")
	}
}

// Why leaf nodes are restricted: nats-server does not check everything of a leaf node
// that it checks of a client. The user has no permission for $JS.ACK.lab.>, _R_.> and the
// inboxes of others.
func TestLeafNodeIsUnchecked(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, false)
	admin := s.createStreams(t)
	for _, body := range []string{"one", "two"} {
		_, err := jetStream(t, admin).Publish(t.Context(), "lab.results", []byte(body))
		callouttest.Must(t, err)
	}
	reader, err := jetStream(t, admin).Consumer(t.Context(), "lab", "reader")
	callouttest.Must(t, err)
	first, err := reader.Next(jetstream.FetchMaxWait(testTimeout))
	callouttest.Must(t, err)
	s.service.SetDirectory(t, callouttest.WithDigests(leafDirectory))
	l, accepted := s.newRawLeaf(t, "owner-key")
	if !accepted {
		t.Fatal("not connected")
	}

	// An ack of another stream returns its next message.
	l.send("LS+ _INBOX_owner.>")
	l.message(first.Reply(), "_INBOX_owner.x", "+NXT")
	line, _ := l.until("LMSG _INBOX_owner.x ")
	if body := l.body(line); body != "two" {
		t.Errorf("%s: %q", line, body)
	}
	callouttest.Eventually(t, "the message of another stream is acknowledged", func() bool {
		info, err := reader.Info(t.Context())
		return err == nil && info.AckFloor.Stream == 1
	})

	// Reply subjects of service imports, as subject and as reply.
	imports, err := admin.SubscribeSync("_R_.>")
	callouttest.Must(t, err)
	orders, err := admin.SubscribeSync("*.*")
	callouttest.Must(t, err)
	callouttest.Must(t, admin.FlushTimeout(testTimeout))
	l.message("_R_.x.y", "", "forged")
	if m, err := imports.NextMsg(testTimeout); err != nil || string(m.Data) != "forged" {
		t.Errorf("no message on _R_.x.y: %v", err)
	}
	l.message("shop.orders", first.Reply(), "allowed")
	m, err := orders.NextMsg(testTimeout)
	callouttest.Must(t, err)
	if m.Subject != "shop.orders" || m.Reply != first.Reply() {
		t.Errorf("received %s with reply %s", m.Subject, m.Reply)
	}

	// A wildcard subscription is accepted, and each of its messages is checked.
	l.send("LS+ >", "PING")
	l.until("PONG")
	for _, subject := range []string{"_INBOX_consumer.x", "lab.results", "other.x", "shop.orders"} {
		callouttest.Must(t, admin.Publish(subject, []byte("down")))
	}
	if line, _ := l.until("LMSG "); !strings.HasPrefix(line, "LMSG shop.orders ") {
		t.Errorf("received %s", line)
	}

	// Any other subject is checked, and a violation closes the connection.
	l.send("LS+ _INBOX_consumer.x")
	if refused, _ := l.until("-ERR"); !strings.Contains(refused, "_INBOX_consumer.x") {
		t.Errorf("refused: %s", refused)
	}
	again, _ := s.newRawLeaf(t, "owner-key")
	again.message("other.x", "", "refused")
	if refused, _ := again.until("-ERR"); !strings.Contains(refused, "other.x") {
		t.Errorf("refused: %s", refused)
	}
	for {
		m, err := orders.NextMsg(50 * time.Millisecond)
		if err != nil {
			break // no more messages
		}
		if string(m.Data) == "refused" {
			t.Errorf("received %s", m.Subject)
		}
	}
}

// Routes between the servers of a cluster need no authorization request.
func TestRoutesNeedNoRequest(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	one := callouttest.StartServer(t, callouttest.ServerConfig{Name: "one", Keys: keys, Cluster: true})
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: one.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	two := callouttest.StartServer(t, callouttest.ServerConfig{Name: "two", Keys: keys, Cluster: true, Routes: []string{one.RouteURL()}})
	callouttest.Eventually(t, "the servers have a route", func() bool { return one.NATSServer().NumRoutes() > 0 && two.NATSServer().NumRoutes() > 0 })
	if events := service.Events(t); len(events) > 0 {
		t.Errorf("usher got requests: %v", events)
	}
}
