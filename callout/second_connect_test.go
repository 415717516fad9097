package callout_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"usher/callout/callouttest"
)

// A client may send CONNECT again on the same connection, with another key. The server
// requests authorization again, and forgets the expiry of the first credential. So
// nothing of the first grant may remain, neither in the same account nor in another.
//
// Attack: a client sends a second CONNECT with another key, and keeps the subscriptions of the first key after that expires
// Held by: nats-server from 2.11.17 and 2.12.8 ends the subscriptions of the first grant; usher check warns about older releases
func TestSecondConnect(t *testing.T) {
	t.Parallel()
	for _, account := range []string{callouttest.AppAccount, callouttest.OtherAccount} {
		t.Run(account, func(t *testing.T) {
			t.Parallel()
			if got := messagesAfterSecondConnect(t, account); len(got) != 0 {
				t.Errorf("the subscription of the first CONNECT delivers: %q", got)
			}
		})
	}
}

const secondDirectory = `
users:
  - {name: first, keys: [{digest: KEY(first-key)}]}
  - {name: second, keys: [{digest: KEY(second-key)}]}
projects:
  - {name: shop, account: APP, members: [{user: first, roles: [project_admin]}], topics: [{name: orders, acl: []}]}
  - {name: far, account: %s, members: [{user: second, roles: [publisher]}], topics: [{name: orders, acl: [second]}]}
`

// messagesAfterSecondConnect returns the messages that a subscription gets after a second
// CONNECT on its connection, as a user of the given account that may not subscribe.
func messagesAfterSecondConnect(t *testing.T, account string) []string {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Program: *serverProgram})
	callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(fmt.Sprintf(secondDirectory, account)),
	})
	admin := srv.Connect(t, callouttest.AdminUser)
	c := dialClient(t, srv.URL())
	publish := func() {
		t.Helper()
		callouttest.Must(t, admin.Publish("shop.orders", nil))
		callouttest.Must(t, admin.FlushTimeout(testTimeout)) // the server has processed it
	}
	c.exchange(t, "", `CONNECT {"auth_token":"first-key","protocol":1}`, "SUB shop.> 1")
	publish()
	if got := c.exchange(t, ""); len(got) != 1 || !strings.HasPrefix(got[0], "MSG shop.orders 1 ") {
		t.Fatalf("before: %q", got)
	}
	refusal := `-ERR 'Permissions Violation for Subscription to "shop.orders"'`
	c.exchange(t, refusal, `CONNECT {"auth_token":"second-key","protocol":1}`, "SUB shop.orders 2")
	publish()
	return c.exchange(t, "")
}

// rawClient speaks the NATS client protocol without a library.
type rawClient struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialClient(t *testing.T, url string) *rawClient {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "nats://"))
	callouttest.Must(t, err)
	t.Cleanup(func() {
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	callouttest.Must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return &rawClient{conn: conn, in: bufio.NewReader(conn)}
}

// exchange sends lines and a PING, and returns the protocol lines of the messages before
// the PONG. It ends the test unless the error among them is the expected one.
func (c *rawClient) exchange(t *testing.T, refusal string, lines ...string) []string {
	t.Helper()
	_, err := io.WriteString(c.conn, strings.Join(append(lines, "PING", ""), "\r\n"))
	callouttest.Must(t, err)
	var messages []string
	refused := ""
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatalf("read: %v, after %s", err, refused)
		}
		line = strings.TrimRight(line, "\r\n")
		switch word, _, _ := strings.Cut(line, " "); word {
		case "PONG":
			if refused != refusal {
				t.Fatalf("server error %q, want %q", refused, refusal)
			}
			return messages
		case "-ERR":
			refused = line
		case "PING":
			_, err := io.WriteString(c.conn, "PONG\r\n")
			callouttest.Must(t, err)
		case "MSG":
			messages = append(messages, line)
		}
	}
}
