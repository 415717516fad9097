package eventgateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest/gatewaytest"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// The servers join if each has a certificate of the CA with its name, and no event passes
// otherwise. nats-server has one gap, which keys that are pinned close: it accepts a
// certificate for the address that it dials.
func TestGatewayCertificates(t *testing.T) {
	t.Parallel()
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	good := pki.Request{DNS: []string{setup.GatewayInternal}, Server: true, Client: true}
	named := func(name string, ips ...net.IP) pki.Request {
		return pki.Request{DNS: []string{name}, IPs: ips, Server: true, Client: true}
	}
	for name, c := range map[string]struct {
		of      string      // whose certificate is replaced
		request pki.Request // by this one
		other   bool        // it is of another CA
		past    bool        // it has expired
		pinned  bool        // each side lists the key of the other's right certificate
		passes  bool        // events pass
	}{
		"a new certificate":                 {of: setup.GatewayInternal, request: good, passes: true},
		"another CA":                        {of: setup.GatewayInternal, request: good, other: true},
		"expired":                           {of: setup.GatewayInternal, request: good, past: true},
		"a wrong name":                      {of: setup.GatewayInternal, request: named(setup.ServiceApplications)},
		"a longer name":                     {of: setup.GatewayInternal, request: named(setup.GatewayInternal + ".example.org")},
		"another CA, external":              {of: setup.GatewayExternal, request: named(setup.GatewayExternal), other: true},
		"expired, external":                 {of: setup.GatewayExternal, request: named(setup.GatewayExternal), past: true},
		"a wrong name, external":            {of: setup.GatewayExternal, request: named(setup.ServiceApplications)},
		"a wrong name with the address":     {of: setup.GatewayInternal, request: named(setup.ServiceApplications, loopback...), passes: true}, // the gap
		"pinned":                            {of: "", pinned: true, passes: true},
		"pinned, and another key":           {of: setup.GatewayInternal, request: good, pinned: true},
		"pinned, a wrong name, the address": {of: setup.GatewayInternal, request: named(setup.ServiceApplications, loopback...), pinned: true},
		"pinned, another key, external":     {of: setup.GatewayExternal, request: named(setup.GatewayExternal), pinned: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.New(t, nil)
			if c.pinned {
				pin(t, g, setup.FileExternal, setup.GatewayInternal)
				pin(t, g, setup.FileInternal, setup.GatewayExternal)
			}
			if c.of != "" {
				replaceCertificate(t, g, c.of, c.request, c.other, c.past)
			}
			external, internal := g.Server(t, setup.FileExternal), g.Server(t, setup.FileInternal)
			g.Usher(t)
			service := g.Service(t, setup.ServiceApplications)
			events, err := service.SubscribeSync("habitat.event.>")
			callouttest.Must(t, err)
			callouttest.Must(t, service.Flush())
			supervisor := g.Supervisor(t, gatewaytest.IngestToken)
			if c.passes {
				callouttest.Eventually(t, "an event passes", func() bool { return eventPasses(t, supervisor, events) })
				return
			}
			// The gap shows at the second attempt. Who is not pinned is refused by one side only.
			callouttest.Eventually(t, "the servers have refused each other several times", func() bool {
				return refusals(t, g, setup.FileExternal)+refusals(t, g, setup.FileInternal) >= 8
			})
			if passes := eventPasses(t, supervisor, events); passes || external.Gateways() > 0 || internal.Gateways() > 0 {
				t.Errorf("an event passes: %v; %d and %d gateways", passes, external.Gateways(), internal.Gateways())
			}
		})
	}
}

// eventPasses publishes an event and reports whether it arrives soon.
func eventPasses(t *testing.T, supervisor *nats.Conn, events *nats.Subscription) bool {
	t.Helper()
	callouttest.Must(t, supervisor.Publish("habitat.event.healthcheck", nil))
	_, err := events.NextMsg(100 * time.Millisecond)
	return err == nil
}

// replaceCertificate replaces the certificate of a server.
func replaceCertificate(t *testing.T, g *gatewaytest.Gateway, of string, r pki.Request, other, past bool) {
	t.Helper()
	ca, r2 := authority(t, g), r
	r2.CN, r2.Now = r.DNS[0], time.Now()
	if other {
		var err error
		ca, _, err = pki.NewAuthority(ca.Cert.Subject.CommonName, 0, r2.Now)
		callouttest.Must(t, err)
	}
	if past {
		r2.Now, r2.Lifetime = r2.Now.Add(-2*time.Minute), time.Minute // after the CA began
	}
	pair, err := ca.Issue(&r2)
	callouttest.Must(t, err)
	if of == setup.GatewayInternal { // clients still connect to it with the right one
		g.Write(t, "gateway.pem", string(pair.Cert))
		g.Write(t, "gateway.key", string(pair.Key))
		text, err := os.ReadFile(g.Path(setup.FileInternal))
		callouttest.Must(t, err)
		head, gateway, _ := strings.Cut(string(text), "\ngateway {")
		gateway = strings.Replace(gateway, g.Path(setup.CertFile(of)), g.Path("gateway.pem"), 1)
		gateway = strings.Replace(gateway, g.Path(setup.KeyFile(of)), g.Path("gateway.key"), 1)
		g.Write(t, setup.FileInternal, head+"\ngateway {"+gateway)
		return
	}
	g.Write(t, setup.CertFile(of), string(pair.Cert))
	g.Write(t, setup.KeyFile(of), string(pair.Key))
}

// pin lists the key of a certificate as the only one that the gateway of a server accepts.
func pin(t *testing.T, g *gatewaytest.Gateway, file, of string) {
	t.Helper()
	text, err := os.ReadFile(g.Path(setup.CertFile(of)))
	callouttest.Must(t, err)
	cert, err := pki.ParseCertificate(text)
	callouttest.Must(t, err)
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	const check = "verify_cert_and_check_known_urls: true"
	g.Edit(t, file, check, fmt.Sprintf("%s\n    pinned_certs: [ %q ]", check, hex.EncodeToString(sum[:])))
}

// refusals counts in the log of a server how often it refused a gateway or was refused.
func refusals(t *testing.T, g *gatewaytest.Gateway, file string) int {
	t.Helper()
	text, err := os.ReadFile(g.Path(file + ".log"))
	callouttest.Must(t, err)
	return strings.Count(string(text), "TLS gateway handshake error")
}
