package callout_test

import (
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// cluster starts two servers in one cluster that expect different issuers and
// xkeys.
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

// waitInterest waits until a server knows of a subscription on the auth subject,
// its own or one behind a route.
func waitInterest(t *testing.T, s *callouttest.Server) {
	t.Helper()
	account, err := s.NATSServer().LookupAccount(callouttest.CalloutAccount)
	callouttest.Must(t, err)
	callouttest.Eventually(t, "the server knows of the service", func() bool {
		return account.Interest("$SYS.REQ.USER.AUTH") > 0
	})
}

// Clients of these tests stay with the server they were sent to: by default
// nats.go goes on to the other one of the cluster when one does not let it in.

// While keys are rotated, servers on the old and on the new ones are served
// side by side (docs/how-to/rotate-keys.md).
func TestOldAndNewKeysAtOnce(t *testing.T) {
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
			callouttest.Eventually(t, "all are in the audit", func() bool {
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

// A server that expects an issuer that is not in the keyring gets no answer
// that it would refuse, and the one beside it is served.
func TestIssuerThatIsNotInTheKeyring(t *testing.T) {
	t.Parallel() // it waits, and so do others
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
		t.Error("a client got in with an issuer that usher does not hold")
	}
	service.WaitEvent(t, "issuer_unknown")
	nc, err := nats.Connect(servers[0].URL(), nats.Token("publisher-key"), nats.Timeout(testTimeout), nats.IgnoreDiscoveredServers())
	callouttest.Must(t, err)
	nc.Close()
}
