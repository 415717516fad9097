package callout_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
)

// Requests of the nats-server in go.mod take the fast path. Those of a version that
// writes JWTs differently are still accepted, at twice the cost (parse.go).
func TestServerRequestsParseFast(t *testing.T) {
	for name, tls := range map[string]*callouttest.CA{"plain": nil, "TLS": callouttest.NewCA(t)} {
		t.Run(name, func(t *testing.T) {
			keys := callouttest.NewKeys(t)
			srv := callouttest.StartServer(t, callouttest.ServerConfig{
				Keys: keys, TLS: tls, Extra: "\nserver_tags: [\"region:eu\", \"a\"]\n",
			})
			callouttest.StartService(t, callouttest.ServiceConfig{
				URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), TLS: tls,
				Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
			})
			listener := srv.Connect(t, callouttest.ServiceUser)
			requests, err := listener.SubscribeSync(callout.Subject)
			callouttest.Must(t, err)
			callouttest.Must(t, listener.FlushTimeout(testTimeout))
			urls := []string{srv.URL(), srv.WebSocketURL()}
			opts := []nats.Option{nats.Name("naïve \"app\" <1>"), nats.UserInfo("project=shop", "publisher-key"), nats.Timeout(testTimeout)}
			if tls != nil {
				urls = urls[:1] // the WebSocket listener has no TLS
				opts = append(opts, nats.Secure(tls.ClientTLS()))
			}
			for _, url := range urls {
				nc, err := nats.Connect(url, opts...)
				callouttest.Must(t, err)
				nc.Close()
				m, err := requests.NextMsg(testTimeout)
				callouttest.Must(t, err)
				if !callout.ParsesFast(m.Data) {
					t.Errorf("not parsed on the fast path: %s", m.Data)
				}
			}
		})
	}
}
