package gateway_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"usher/app/apptest/gatewaytest"
	"usher/app/checkup/finding"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

// Without servers, usher check looks at the files that the section gateways names.
func TestOwnFiles(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	cert := g.Path(setup.CertFile(setup.GatewayInternal))
	callouttest.Must(t, os.Remove(cert))
	expect(t, checkFiles(t, g), []holds{{"gateway certificate", cert, finding.Warning, fault.None, "it cannot be checked from here"}})
	callouttest.Must(t, os.Remove(g.Path(setup.FileCA)))
	f := checkFiles(t, g)
	expect(t, f, []holds{
		{"gateway certificate", "event-service at", finding.Error, fault.Config, g.Path(setup.FileCA) + ": ca_file: "},
		{"client port certificate", "event-service at", finding.Error, fault.Config, g.Path(setup.FileCA) + ": ca_file: "},
	})
}

// A gateway that refuses a certificate that has ended needs a new one, and no CA.
func TestEndedIsRenewed(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	reissue(t, g, func(r *pki.Request) *pki.Authority {
		r.Now, r.Lifetime = r.Now.Add(-4*time.Minute), time.Minute // the CA begins five minutes ago
		return nil
	})
	g.Server(t, setup.FileExternal)
	g.Usher(t)
	for _, x := range check(t, g) {
		if strings.HasPrefix(x.Detail, "refuses the certificate of") && x.Hint == "renew it: it has ended" {
			return
		}
	}
	t.Error("the hint does not say to renew it")
}
