package callout_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// A service user that may not subscribe is of no use: the service says so, and
// comes back by itself when the server's configuration is mended.
func TestRefusedSubscriptionIsMended(t *testing.T) {
	t.Parallel() // it waits, and so do others
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true})
	password := `password: "` + callouttest.Password + `"`
	srv.SetServiceUser(t, password+`, permissions: {subscribe: {allow: ["_INBOX.>", "$SRV.>"]}}`)
	service := callouttest.StartServiceNoWait(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	callouttest.Eventually(t, "the service says that it was refused", func() bool {
		err := service.Ready()
		return errors.Is(err, nats.ErrPermissionViolation)
	})
	srv.SetServiceUser(t, password)
	service.WaitReady(t)
	(testEnv{t, srv, service, keys}).connect(t, "publisher-key")
}

// In another account than the configuration says, the policy would keep clients
// out of the wrong one: nothing is answered.
//
// Attack: a service in the wrong account grants what the policy keeps for another
// Held by: a service that is not in the configured callout account answers nothing
func TestMisplacedServiceIsSilent(t *testing.T) {
	t.Parallel() // it waits, and so do others
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, Timeout: silenceTimeout})
	service := callouttest.StartServiceNoWait(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML), Account: "ELSEWHERE",
	})
	callouttest.Eventually(t, "the service says where it is", func() bool {
		err := service.Ready()
		return err != nil && strings.Contains(err.Error(), `"AUTH"`) && strings.Contains(err.Error(), `"ELSEWHERE"`)
	})
	nc, err := nats.Connect(srv.URL(), nats.Token("publisher-key"), nats.Timeout(testTimeout))
	if err == nil {
		nc.Close()
		t.Fatal("let in")
	}
	if errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("refused: %v", err)
	}
	if e := service.WaitEvent(t, "wrong_account"); e.Text("outcome") != "unavailable" {
		t.Errorf("event %v", e)
	}
}

// slowConn is a connection of which nothing is heard between the first question for its
// account and the second, as of a server that has no time.
type slowConn struct {
	net.Conn
	mu          sync.Mutex
	asked       int
	again, over chan struct{}
	end         sync.Once
}

func (c *slowConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("$SYS.REQ.USER.INFO")) {
		c.mu.Lock()
		if c.asked++; c.asked == 2 {
			close(c.again)
		}
		c.mu.Unlock()
	}
	return c.Conn.Write(b)
}

func (c *slowConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	asked := c.asked > 0
	c.mu.Unlock()
	if asked {
		select {
		case <-c.again:
		case <-c.over:
		}
	}
	return n, err
}

func (c *slowConn) Close() error {
	c.end.Do(func() { close(c.over) })
	return c.Conn.Close()
}

type slowDialer struct{}

// Dial implements nats.CustomDialer.
func (slowDialer) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return &slowConn{Conn: conn, again: make(chan struct{}), over: make(chan struct{})}, nil
}

// A server that is slow to say where the service is, is asked again: slow is not
// refused.
func TestMisplacedBehindASlowServer(t *testing.T) {
	t.Parallel() // it waits, and so do others
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	service := callouttest.StartServiceNoWait(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML), Account: "ELSEWHERE",
		Options: []nats.Option{nats.UserInfo(callouttest.ServiceUser, callouttest.Password), nats.SetCustomDialer(slowDialer{})},
	})
	callouttest.Eventually(t, "the service says where it is", func() bool {
		err := service.Ready()
		return err != nil && strings.Contains(err.Error(), `"AUTH"`) && strings.Contains(err.Error(), `"ELSEWHERE"`)
	})
}

// One that refuses to say is not: the service goes by the configuration.
func TestServerThatMayNotBeAsked(t *testing.T) {
	t.Parallel() // it waits, and so do others
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	srv.SetServiceUser(t, `password: "`+callouttest.Password+`", permissions: {publish: {deny: ["$SYS.REQ.USER.INFO"]}}`)
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	if log := service.Log.String(); !strings.Contains(log, "cannot determine the account of the service connection") {
		t.Error(log)
	}
	(testEnv{t, srv, service, keys}).connect(t, "publisher-key")
}
