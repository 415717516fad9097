package gateway_test

import (
	"strings"
	"testing"

	"usher/app/apptest/gatewaytest"
	"usher/app/checkup/finding"
	"usher/app/pki"
	"usher/app/setup"
	"usher/internal/fault"
)

// Servers that dial a gateway by a host name, for which its certificate does not hold, do
// not join it, although their second URL has the name of the certificate.
func TestDialedByHostName(t *testing.T) {
	t.Parallel()
	const detail = `does not hold for localhost, but for "event-service": nats-server verifies the host of the URL that it dials, `
	for name, tt := range map[string]struct {
		url  string // of the internal server, for the external one
		want holds
	}{
		"by the address of the section": {"nats://localhost:", holds{"gateway certificate", "event-service at localhost:", finding.Error, fault.Config, detail + "and gateway.gateways of event-gateway has this one"}},
		"by another one":                {"nats://event-service:", holds{"gateway certificate", "event-service at localhost:", finding.Warning, fault.None, detail + "so whoever dials localhost:"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.New(t, func(o *setup.EventGateway) {
				o.Reach.Internal = strings.Replace(o.GatewayOf.Internal, "127.0.0.1", "localhost", 1)
			})
			reissue(t, g, func(*pki.Request) *pki.Authority { return nil }) // for event-service alone
			edit(t, g, setup.FileExternal, "nats://localhost:", tt.url)
			g.Server(t, setup.FileExternal)
			g.Server(t, setup.FileInternal)
			g.Usher(t)
			f := check(t, g)
			want := tt.want
			// The servers tell each other their addresses. Once the external one knows localhost, it
			// dials that too, and lists it as if it was configured.
			if strings.Contains(text(f), "its configuration has event-service:") && strings.Contains(text(f), ", localhost:") {
				want.severity, want.kind, want.detail = finding.Error, fault.Config, detail+"and gateway.gateways of event-gateway has this one"
			}
			expect(t, f, []holds{want})
			t.Log(text(f))
		})
	}
}

// To the internal server whose clients need a certificate, usher check connects with
// cert_file of the section. Without it, it says what it could not look at.
func TestNoCertificateForClients(t *testing.T) {
	t.Parallel()
	for name, cert := range map[string]string{"none": "", "missing": setup.DirPKI + "/missing.pem"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.New(t, func(o *setup.EventGateway) { o.Services = setup.ServicesByCallout })
			own := "\n    cert_file: " + setup.CertFile(setup.GatewayExternal) + "\n    key_file: " + setup.KeyFile(setup.GatewayExternal)
			other := ""
			if cert != "" {
				other = strings.Replace(own, setup.CertFile(setup.GatewayExternal), cert, 1)
			}
			edit(t, g, setup.FileConfig, own, other)
			g.Start(t)
			f := check(t, g)
			expect(t, f, []holds{{"connect", "nats://" + g.Internal, finding.Warning, fault.None, "the issuer, xkey and timeout of server event-service are not checked"}})
			for _, x := range f {
				if x.Severity == finding.Error {
					t.Errorf("%+v", x)
				}
			}
		})
	}
}
