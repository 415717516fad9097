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

// leafDirectory has a user who administers the only project of APP, and may bring
// a leaf node there.
const leafDirectory = `
users:
  - {name: owner, limits: {connection_types: [leafnode]}, keys: [{digest: KEY(owner-key)}]}
projects:
  - {name: shop, account: APP, members: [{user: owner, roles: [project_admin]}], topics: [{name: orders, acl: []}]}
`

// rawLeaf speaks the protocol of leaf nodes as no nats-server would.
type rawLeaf struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// newRawLeaf connects with a token, and reports whether it was let in.
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
	_, in := l.until("PONG")
	return l, in
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

// until reads until a line begins so, and returns the line and whether it came
// before the server closed the connection. Bodies of messages are read as lines.
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

// body reads the body of the message that a line has announced.
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

// Attack: a leaf node with any member's key reads and acknowledges every project's messages in its account
// Held by: a leaf node is granted only to a service_admin, or a project_admin of every project of its account, whose connection_types name it
func TestLeafNodeOfAMemberIsDenied(t *testing.T) {
	t.Parallel()
	s := newTestEnv(t, true)
	for _, user := range []string{"publisher", "consumer", "padmin", "sadmin", "both", "ingest", "wsonly"} {
		if _, in := s.newRawLeaf(t, user+"-key"); in {
			t.Errorf("the leaf node of %s was let in", user)
		}
	}
	s.service.WaitEvent(t, "leafnode_not_allowed")
	for _, e := range s.service.Events(t) {
		if code := e.Text("code"); code != "leafnode_not_allowed" && code != "ambiguous_account" {
			t.Errorf("event: %v", e)
		}
	}
	// It is the account of the connection that counts, and all of its projects at
	// that moment.
	s.service.SetDirectory(t, callouttest.WithDigests(leafDirectory))
	if _, in := s.newRawLeaf(t, "owner-key"); !in {
		t.Fatal("the admin of the only project was not let in")
	}
	s.service.SetDirectory(t, callouttest.WithDigests(leafDirectory+"  - {name: lab, account: APP}\n"))
	if _, in := s.newRawLeaf(t, "owner-key"); in {
		t.Error("a project was added, and its admin was let in all the same")
	}
}

// Why the rule is needed: what nats-server does not check of a leaf node, which it
// does of a client. The user has neither $JS.ACK.lab.> nor _R_.> nor other
// inboxes than its own.
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
	l, in := s.newRawLeaf(t, "owner-key")
	if !in {
		t.Fatal("not connected")
	}

	// Another stream's message, for an acknowledgement.
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

	// Reply subjects of service imports, as a subject and as a reply.
	heard, err := admin.SubscribeSync("_R_.>")
	callouttest.Must(t, err)
	orders, err := admin.SubscribeSync("*.*")
	callouttest.Must(t, err)
	callouttest.Must(t, admin.FlushTimeout(testTimeout))
	l.message("_R_.x.y", "", "forged")
	if m, err := heard.NextMsg(testTimeout); err != nil || string(m.Data) != "forged" {
		t.Errorf("_R_.x.y did not pass: %v", err)
	}
	l.message("shop.orders", first.Reply(), "allowed")
	m, err := orders.NextMsg(testTimeout)
	callouttest.Must(t, err)
	if m.Subject != "shop.orders" || m.Reply != first.Reply() {
		t.Errorf("%s with reply %s passed", m.Subject, m.Reply)
	}

	// A subscription with a wildcard is taken, and each message of it is checked.
	l.send("LS+ >", "PING")
	l.until("PONG")
	for _, subject := range []string{"_INBOX_consumer.x", "lab.results", "other.x", "shop.orders"} {
		callouttest.Must(t, admin.Publish(subject, []byte("down")))
	}
	if line, _ := l.until("LMSG "); !strings.HasPrefix(line, "LMSG shop.orders ") {
		t.Errorf("passed: %s", line)
	}

	// Any other subject is checked, and who breaks it is closed.
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
			t.Errorf("%s passed", m.Subject)
		}
	}
}

// Servers of a cluster know each other: usher is not asked about them.
func TestServersAreNotAskedAbout(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	one := callouttest.StartServer(t, callouttest.ServerConfig{Name: "one", Keys: keys, Cluster: true})
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: one.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	two := callouttest.StartServer(t, callouttest.ServerConfig{Name: "two", Keys: keys, Cluster: true, Routes: []string{one.RouteURL()}})
	callouttest.Eventually(t, "there is a route", func() bool { return one.NATSServer().NumRoutes() > 0 && two.NATSServer().NumRoutes() > 0 })
	if events := service.Events(t); len(events) > 0 {
		t.Errorf("usher got requests: %v", events)
	}
}
