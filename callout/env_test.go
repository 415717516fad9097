package callout_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// testEnv is a server and a service.
type testEnv struct {
	t       *testing.T
	server  *callouttest.Server
	service *callouttest.Service
	keys    callouttest.Keys
}

func newTestEnv(t *testing.T, sealed bool) testEnv {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: sealed})
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs:      srv.URL(),
		Keyring:   callouttest.KeyringDir(t, sealed, keys),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	return testEnv{t, srv, service, keys}
}

// plainAndSealed runs a test with plain and with sealed requests.
func plainAndSealed(t *testing.T, test func(s testEnv)) {
	t.Helper()
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newTestEnv(t, sealed))
		})
	}
}

// testTimeout is the timeout of test clients. The default of nats.go is too short on a
// slow machine.
const testTimeout = 5 * time.Second

// connect connects with a token, or ends the test.
func (s testEnv) connect(t *testing.T, token string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.server.URL(), append(opts, nats.Token(token), nats.Timeout(testTimeout))...)
	if err != nil {
		t.Fatalf("connect: %v\n%s", err, s.service.Log)
	}
	t.Cleanup(nc.Close)
	return nc
}

// connInfo returns the user name and the account of a connection on the server.
func (s testEnv) connInfo(t *testing.T, nc *nats.Conn) (user, account string) {
	t.Helper()
	cid, err := nc.GetClientID()
	callouttest.Must(t, err)
	z, err := s.server.NATSServer().Connz(&server.ConnzOptions{CID: cid, Username: true})
	callouttest.Must(t, err)
	if len(z.Conns) != 1 {
		t.Fatalf("connection %d: the server has %d", cid, len(z.Conns))
	}
	return z.Conns[0].AuthorizedUser, z.Conns[0].Account
}

// createStreams creates the streams of the fixture's projects and the durable
// consumers of the directory.
func (s testEnv) createStreams(t *testing.T) *nats.Conn {
	t.Helper()
	admin := s.server.Connect(t, callouttest.AdminUser)
	mustCreateStream(t, admin, "shop", []string{"shop.>"}, "billing", "audit")
	mustCreateStream(t, admin, "lab", []string{"lab.>"}, "reader")
	return admin
}
