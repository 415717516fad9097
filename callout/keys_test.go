package callout_test

import (
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// cluster starts a cluster of two servers that expect different issuers and xkeys.
func cluster(t *testing.T, sealed bool) (servers [2]*callouttest.Server, keys [2]callouttest.Keys) {
	t.Helper()
	for i, name := range []string{"one", "two"} {
		keys[i] = callouttest.NewKeys(t)
		cfg := callouttest.ServerConfig{Name: name, Keys: keys[i], Sealed: sealed, Cluster: true}
		if i > 0 {
			cfg.Routes = []string{servers[0].RouteURL()}
		}
		servers[i] = callouttest.StartServer(t, cfg)
	}
	callouttest.Eventually(t, "the cluster has formed", func() bool {
		return servers[0].NATSServer().NumRoutes() > 0 && servers[1].NATSServer().NumRoutes() > 0
	})
	return servers, keys
}

// waitInterest waits until a server knows of a subscription to authorization requests,
// local or behind a route.
func waitInterest(t *testing.T, s *callouttest.Server) {
	t.Helper()
	account, err := s.NATSServer().LookupAccount(callouttest.CalloutAccount)
	callouttest.Must(t, err)
	callouttest.Eventually(t, "the server has interest in authorization requests", func() bool {
		return account.Interest("$SYS.REQ.USER.AUTH") > 0
	})
}

// The clients of these tests use IgnoreDiscoveredServers. By default nats.go tries the
// other server of the cluster if the first refuses it.

// During a key rotation, servers with the old and with the new keys are served
// (docs/how-to/rotate-keys.md).
func TestOldAndNewKeys(t *testing.T) {
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			servers, keys := cluster(t, sealed)
			service := callouttest.StartService(t, callouttest.ServiceConfig{
				URLs:      servers[0].URL(),
				Keyring:   callouttest.KeyringDir(t, sealed, keys[0], keys[1]),
				Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
			})
			for _, s := range servers {
				waitInterest(t, s)
			}
			var clients sync.WaitGroup
			for range 20 {
				for _, s := range servers {
					clients.Go(func() {
						nc, err := nats.Connect(s.URL(), nats.Token("publisher-key"), nats.Timeout(testTimeout), nats.IgnoreDiscoveredServers())
						if err != nil {
							t.Errorf("%s: %v", s.URL(), err)
							return
						}
						nc.Close()
					})
				}
			}
			clients.Wait()
			count := map[string]int{}
			callouttest.Eventually(t, "all requests are in the audit", func() bool {
				clear(count)
				for _, e := range service.Events(t) {
					if e.Text("outcome") == "granted" {
						count[e.Text("server_name")+" "+e.Text("issuer")]++
					}
				}
				return count["one "+keys[0].Issuer] == 20 && count["two "+keys[1].Issuer] == 20
			})
		})
	}
}

// A server that expects an issuer that is not in the keyring gets no answer. Other
// servers are served.
func TestIssuerNotInKeyring(t *testing.T) {
	t.Parallel() // mostly waits
	servers, keys := cluster(t, false)
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs:      servers[0].URL(),
		Keyring:   callouttest.KeyringDir(t, false, keys[0]),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	for _, s := range servers {
		waitInterest(t, s)
	}
	if nc, err := nats.Connect(servers[1].URL(), nats.Token("publisher-key"), nats.Timeout(testTimeout), nats.IgnoreDiscoveredServers()); err == nil {
		nc.Close()
		t.Error("a client connected through a server with an unknown issuer")
	}
	service.WaitEvent(t, "issuer_unknown")
	nc, err := nats.Connect(servers[0].URL(), nats.Token("publisher-key"), nats.Timeout(testTimeout), nats.IgnoreDiscoveredServers())
	callouttest.Must(t, err)
	nc.Close()
}
