package endpoint

import (
	"testing"
	"time"

	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/pki"
	"usher/callout/callouttest"
	"usher/internal/fault"
	"usher/internal/tlsfiles"
	"usher/tokens"
	"usher/tokens/automate"
	"usher/tokens/automate/automatetest"
	"usher/tokens/backend"
)

// Which of Automate's services does not answer, and why.
func TestCheckAutomate(t *testing.T) {
	a := automatetest.New(t)
	check := func() finding.List {
		secured, err := tlsfiles.Client(tlsfiles.Files{CA: a.CAFile, Cert: a.Cert, Key: a.Key})
		callouttest.Must(t, err)
		v := automate.NewVerifier(automate.Config{
			Authority: "chef",
			Authn:     automate.Service{Address: a.Authn.Address, Name: automatetest.AuthnService, TLS: secured},
			Authz:     automate.Service{Address: a.Authz.Address, Name: automatetest.AuthzService, TLS: secured},
			Resource:  automatetest.Resource, Action: automatetest.Action,
			Backend: backend.Config{Timeout: 5 * time.Second}, Now: time.Now, NewID: func() string { return "nobody" },
		})
		var f finding.List
		CheckVerifiers(t.Context(), &f, tokens.Chain{v})
		return f
	}
	f := check()
	findingtest.Holds(t, f, fault.None, "verifier", finding.OK, "automate:chef/authn is ready")
	findingtest.Holds(t, f, fault.None, "verifier", finding.OK, "automate:chef/authz is ready")

	cert, key := a.Certificate(t, a.CA, &pki.Request{CN: "other", DNS: []string{"other"}, Server: true, Now: time.Now()})
	a.Authz.Stop()
	a.Authz.Present(t, cert, key)
	a.Authz.Start(t)
	f = check()
	findingtest.Holds(t, f, fault.None, "verifier", finding.OK, "automate:chef/authn is ready")
	findingtest.Holds(t, f, fault.Runtime, "verifier", finding.Error, "certificate is valid for other, not authz-service")

	a.Authn.Stop()
	findingtest.Holds(t, check(), fault.Runtime, "verifier", finding.Error, "connection refused")
}
