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

// If the service user may not subscribe, Ready reports it. The service recovers once
// the server's configuration is fixed.
func TestRecoversFromRefusedSubscription(t *testing.T) {
	t.Parallel() // mostly waits
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true})
	password := `password: "` + callouttest.Password + `"`
	srv.SetServiceUser(t, password+`, permissions: {subscribe: {allow: ["_INBOX.>", "$SRV.>"]}}`)
	service := callouttest.StartServiceNoWait(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	callouttest.Eventually(t, "the service reports the permission violation", func() bool {
		err := service.Ready()
		return errors.Is(err, nats.ErrPermissionViolation)
	})
	srv.SetServiceUser(t, password)
	service.WaitReady(t)
	(testEnv{t, srv, service, keys}).connect(t, "publisher-key")
}

// A service in another account than the configured callout account does not answer,
// because its policy protects only the configured one.
//
// Attack: a service in the wrong account lets clients into its own account
// Held by: a service that is not in the configured callout account answers no requests
func TestWrongAccountIsSilent(t *testing.T) {
	t.Parallel() // mostly waits
	keys := callouttest.NewKeys(t)
	// The server answers for usher when its time is over, so the client gives up before.
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, Timeout: 2 * silenceTimeout})
	service := callouttest.StartServiceNoWait(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML), Account: "ELSEWHERE",
	})
	callouttest.Eventually(t, "the service reports the wrong account", func() bool {
		err := service.Ready()
		return err != nil && strings.Contains(err.Error(), `"AUTH"`) && strings.Contains(err.Error(), `"ELSEWHERE"`)
	})
	nc, err := nats.Connect(srv.URL(), nats.Token("publisher-key"), nats.Timeout(testTimeout))
	if err == nil {
		nc.Close()
		t.Fatal("connected")
	}
	if errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("refused: %v", err)
	}
	if e := service.WaitEvent(t, "wrong_account"); e.Text("outcome") != "unavailable" {
		t.Errorf("event %v", e)
	}
}

// slowConn is a connection that delivers nothing between the first request for its
// account and the second, as with a server under load.
type slowConn struct {
	net.Conn
	mu             sync.Mutex
	requests       int
	second, closed chan struct{} // closed at the second request, and by Close
	once           sync.Once
}

func (c *slowConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("$SYS.REQ.USER.INFO")) {
		c.mu.Lock()
		if c.requests++; c.requests == 2 {
			close(c.second)
		}
		c.mu.Unlock()
	}
	return c.Conn.Write(b)
}

func (c *slowConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	requested := c.requests > 0
	c.mu.Unlock()
	if requested {
		select {
		case <-c.second:
		case <-c.closed:
		}
	}
	return n, err
}

func (c *slowConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

type slowDialer struct{}

// Dial implements nats.CustomDialer.
func (slowDialer) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return &slowConn{Conn: conn, second: make(chan struct{}), closed: make(chan struct{})}, nil
}

// The service repeats the request for its account if the server is slow, because a
// timeout does not mean that the request is forbidden.
func TestWrongAccountOnSlowServer(t *testing.T) {
	t.Parallel() // mostly waits
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	service := callouttest.StartServiceNoWait(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML), Account: "ELSEWHERE",
		Options: []nats.Option{nats.UserInfo(callouttest.ServiceUser, callouttest.Password), nats.SetCustomDialer(slowDialer{})},
	})
	callouttest.Eventually(t, "the service reports the wrong account", func() bool {
		err := service.Ready()
		return err != nil && strings.Contains(err.Error(), `"AUTH"`) && strings.Contains(err.Error(), `"ELSEWHERE"`)
	})
}

// If the service user may not request its account, the service trusts the
// configuration.
func TestAccountRequestForbidden(t *testing.T) {
	t.Parallel() // mostly waits
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
