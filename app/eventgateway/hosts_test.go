package eventgateway_test

import (
	"context"
	"net"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/apptest/gatewaytest"
	"usher/callout/callouttest"
)

// hosts resolves names for a client, as its system would: each to an address of loopback.
type hosts map[string]string

// Dial implements nats.CustomDialer.
func (h hosts) Dial(network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	to, known := h[host]
	if !known {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return new(net.Dialer).DialContext(context.Background(), network, net.JoinHostPort(to, port))
}

// SkipTLSHandshake implements an option of nats.CustomDialer: nats.go upgrades to TLS.
func (hosts) SkipTLSHandshake() bool { return false }

// A supervisor that connects to a host by its name verifies the certificate for that name.
// A host that has another name than the certificate does not get its token.
func TestHosts(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	const second, renamed = "events.example.com", "renamed.example.org"
	secondCertificate(t, g, second)
	g.Start(t)
	_, port := g.ExternalAddress()
	resolve := hosts{"events.example.org": "127.0.0.1", second: "127.0.0.1", renamed: "127.0.0.1"}
	for name := range resolve {
		options := []nats.Option{
			// nats.go verifies the host of the URL.
			nats.SetCustomDialer(resolve), nats.Token(gatewaytest.IngestToken),
			nats.Secure(g.ExternalTLS(t, "")), callouttest.ConnectTimeout(),
		}
		url := "tls://" + net.JoinHostPort(name, port)
		if name != renamed {
			callouttest.Must(t, apptest.Connected(t, url, options...).Publish("habitat.event.healthcheck", nil))
			continue
		}
		nc, err := nats.Connect(url, options...)
		if err == nil {
			nc.Close()
			t.Errorf("%s: connected", name)
		}
	}
}
