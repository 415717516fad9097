package eventgateway_test

import (
	"fmt"
	"testing"
	"time"

	"usher/app/apptest/gatewaytest"
	"usher/app/apptest/habitattest"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// A supervisor asks for one of two names (SNI), and gets the certificate of that name. It
// connects byte for byte as Habitat does, and its events arrive at a service, over the
// gateway.
func TestSupervisor(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	names := []string{"localhost", "events.example.com"}
	secondCertificate(t, g, names[1])
	g.Start(t)
	service := g.Service(t, setup.ServiceApplications)
	events, err := service.QueueSubscribeSync("habitat.event.>", "automate")
	callouttest.Must(t, err)
	callouttest.Must(t, service.Flush())
	for _, name := range names {
		hab := habitattest.Dial(t, g.URL[len("nats://"):], g.ExternalTLS(t, name))
		if cert := hab.TLS().PeerCertificates[0]; cert.VerifyHostname(name) != nil || (name == names[1]) != (len(cert.DNSNames) == 1) {
			t.Errorf("%s: certificate for %v", name, cert.DNSNames)
		}
		hab.Handshake(gatewaytest.IngestToken)
		for _, kind := range habitattest.Events() {
			payload := fmt.Sprintf("%s\x00\r\n%s", name, kind) // protobuf: any bytes
			hab.Publish("habitat.event."+kind, payload)
			hab.Expect("+OK")
			m, err := events.NextMsg(patience)
			callouttest.Must(t, err)
			if m.Subject != "habitat.event."+kind || string(m.Data) != payload || m.Reply != "" {
				t.Errorf("%s: received %s %q, reply %q", kind, m.Subject, m.Data, m.Reply)
			}
		}
	}
	for _, token := range []string{"unknown-key", "", "usher_mistyped"} {
		bad := habitattest.Dial(t, g.URL[len("nats://"):], g.ExternalTLS(t, names[0]))
		bad.Connect(token)
		bad.Expect("-ERR 'Authorization Violation'")
	}
}

// secondCertificate adds a certificate for one name to those of the external server.
func secondCertificate(t *testing.T, g *gatewaytest.Gateway, name string) {
	t.Helper()
	pair := issue(t, g, &pki.Request{CN: "second", DNS: []string{name}, Server: true})
	g.Write(t, "second.pem", string(pair.Cert))
	g.Write(t, "second.key", string(pair.Key))
	g.Edit(t, setup.FileExternal, "certs: [", fmt.Sprintf("certs: [\n    { cert_file: %q, key_file: %q },", g.Path("second.pem"), g.Path("second.key")))
}

// issue makes a certificate of the CA of the installation.
func issue(t *testing.T, g *gatewaytest.Gateway, r *pki.Request) pki.Pair {
	t.Helper()
	r.Now = time.Now()
	pair, err := authority(t, g).Issue(r)
	callouttest.Must(t, err)
	return pair
}
