package callout_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/callout/callouttest"
	"usher/directory/snapshot"
	"usher/tokens"
	"usher/tokens/nkey"
)

// nkeyClient is a client that signs with a seed.
type nkeyClient struct{ seed, public string }

func newNKeyClient(t *testing.T) nkeyClient {
	t.Helper()
	var c nkeyClient
	c.seed, c.public = callouttest.NewSeed(t, nkeys.PrefixByteUser)
	return c
}

// option signs with the seed and says that the nkey is public.
func (c nkeyClient) option(public string) nats.Option {
	return nats.Nkey(public, func(nonce []byte) ([]byte, error) {
		kp, err := nkeys.FromSeed([]byte(c.seed))
		if err != nil {
			return nil, err
		}
		return kp.Sign(nonce)
	})
}

// sign returns the signature of a nonce, as a request has it.
func (c nkeyClient) sign(t *testing.T, nonce string) string {
	t.Helper()
	kp, err := nkeys.FromSeed([]byte(c.seed))
	callouttest.Must(t, err)
	signature, err := kp.Sign([]byte(nonce))
	callouttest.Must(t, err)
	return base64.RawURLEncoding.EncodeToString(signature)
}

// nkeyDirectory is a directory with the users pia and, for a leaf node, lea.
func nkeyDirectory(pia, lea nkeyClient) string {
	return fmt.Sprintf(`
users:
  - {name: pia, nkeys: [{id: laptop, nkey: %s}]}
  - {name: lea, limits: {connection_types: [leafnode]}, nkeys: [{id: server, nkey: %s}]}
projects:
  - name: shop
    account: APP
    members: [{user: pia, roles: [publisher]}, {user: lea, roles: [project_admin]}]
    topics: [{name: orders, acl: [pia]}]
`, pia.public, lea.public)
}

// startNKeyService starts the service with a verifier of nkeys.
func startNKeyService(t *testing.T, cfg callouttest.ServiceConfig) *callouttest.Service {
	t.Helper()
	s := callouttest.ParseDirectory(t, cfg.Directory)
	cfg.Verifiers = []tokens.Verifier{nkey.NewVerifier(func() *snapshot.Snapshot { return s }, time.Now)}
	return callouttest.StartService(t, cfg)
}

// checkNKeys connects over TCP and WebSocket, with the right nkey and with wrong ones.
func checkNKeys(t *testing.T, s *callouttest.Service, pia nkeyClient, urls ...string) {
	t.Helper()
	for _, url := range urls {
		nc, err := nats.Connect(url, pia.option(pia.public), nats.Timeout(testTimeout), ignoreErrors())
		if err != nil {
			t.Fatalf("%s: %v\n%s", url, err, s.Log)
		}
		nc.Close()
		if e := s.WaitEvent(t, "granted"); e.Text("user") != "pia" || e.Text("key_id") != "laptop" || e.Text("method") != "nkey" {
			t.Errorf("audit: %v", e)
		}
		stranger := newNKeyClient(t)
		for public, code := range map[string]string{pia.public: nkey.CodeSignature, stranger.public: nkey.CodeUnknown} {
			if nc, err := nats.Connect(url, stranger.option(public), nats.Timeout(testTimeout), ignoreErrors()); err == nil {
				nc.Close()
				t.Errorf("%s: connected, want %s", url, code)
			}
			s.WaitEvent(t, code)
		}
	}
}

// nats-server asks usher about an nkey that its configuration does not have, and does not
// verify the signature itself.
//
// Attack: a client presents the public nkey of another user, or a signature of another connection's nonce
// Held by: usher verifies the signature of the nonce that the server names in its signed request
func TestNKeysInConfigMode(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed %t", sealed), func(t *testing.T) {
			keys, pia, lea := callouttest.NewKeys(t), newNKeyClient(t), newNKeyClient(t)
			srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: sealed, NKey: newNKeyClient(t).public})
			s := startNKeyService(t, callouttest.ServiceConfig{
				URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, sealed, keys), Directory: nkeyDirectory(pia, lea),
			})
			checkNKeys(t, s, pia, srv.URL(), srv.WebSocketURL())
			connectLeafWithNKey(t, srv.LeafAddr(), lea)
		})
	}
}

// connectLeafWithNKey connects a leaf node that signs the nonce, which nats-server sends
// to every leaf node.
func connectLeafWithNKey(t *testing.T, addr string, lea nkeyClient) {
	t.Helper()
	leaf := callouttest.RunServerConfig(t, fmt.Sprintf(`
server_name: leaf
listen: "127.0.0.1:%d"
leafnodes { remotes: [{ url: "nats-leaf://%s", nkey: %q, first_info_timeout: "20s" }] }
`, callouttest.FreePort(t), addr, lea.seed))
	callouttest.Eventually(t, "the leaf node is connected", func() bool { return leaf.NumLeafNodes() == 1 })
	leaf.Shutdown()
	leaf.WaitForShutdown()
}

// In operator mode every server sends a nonce, and the sentinel needs no signature.
func TestNKeysInOperatorMode(t *testing.T) {
	o, pia := callouttest.StartOperator(t, callouttest.OperatorConfig{}), newNKeyClient(t)
	s := startNKeyService(t, callouttest.ServiceConfig{Operator: o, Directory: nkeyDirectory(pia, newNKeyClient(t))})
	checkNKeys(t, s, pia, o.URLs(), o.Servers[0].WebSocketURL())
}

// In config mode a server without a user that has an nkey sends no nonce. nats.go then
// gives up before it asks to connect.
func TestNoNonceWithoutStaticNKey(t *testing.T) {
	keys, pia := callouttest.NewKeys(t), newNKeyClient(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	s := startNKeyService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: nkeyDirectory(pia, newNKeyClient(t)),
	})
	nc, err := nats.Connect(srv.URL(), pia.option(pia.public), nats.Timeout(testTimeout))
	if !errors.Is(err, nats.ErrNkeysNotSupported) {
		t.Errorf("got %v", err)
	}
	if err == nil {
		nc.Close()
	}
	if events := s.Events(t); len(events) > 0 {
		t.Errorf("usher got requests: %v", events)
	}
}
