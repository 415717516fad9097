package gateway_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"usher/app/apptest/gatewaytest"
	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

// reissue replaces the certificate of the internal server. change says how it differs; it
// may return another CA.
func reissue(t *testing.T, g *gatewaytest.Gateway, change func(*pki.Request) *pki.Authority) {
	t.Helper()
	read := func(name string) []byte {
		text, err := os.ReadFile(g.Path(name))
		callouttest.Must(t, err)
		return text
	}
	ca, err := pki.ParseAuthority(pki.Pair{Cert: read(setup.FileCA), Key: read(setup.FileCAKey)})
	callouttest.Must(t, err)
	r := pki.Request{CN: setup.GatewayInternal, DNS: []string{setup.GatewayInternal}, Server: true, Client: true, Now: time.Now()}
	if other := change(&r); other != nil {
		ca = other
	}
	pair, err := ca.Issue(&r)
	callouttest.Must(t, err)
	callouttest.Must(t, os.WriteFile(g.Path(setup.CertFile(setup.GatewayInternal)), pair.Cert, 0o600))
	callouttest.Must(t, os.WriteFile(g.Path(setup.KeyFile(setup.GatewayInternal)), pair.Key, 0o600))
}

// edit replaces a text of a file.
func edit(t *testing.T, g *gatewaytest.Gateway, file, old, replacement string) {
	t.Helper()
	text, err := os.ReadFile(g.Path(file))
	callouttest.Must(t, err)
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s does not contain %s", file, old)
	}
	callouttest.Must(t, os.WriteFile(g.Path(file), []byte(strings.ReplaceAll(string(text), old, replacement)), 0o600))
}

type holds struct {
	check, where string
	severity     finding.Severity
	kind         fault.Kind
	detail       string
}

// expect fails the test unless each finding is there, at its place.
func expect(t *testing.T, f finding.List, all []holds) {
	t.Helper()
	for _, want := range all {
		var at finding.List
		for _, x := range f {
			if strings.Contains(x.Where, want.where) {
				at = append(at, x)
			}
		}
		findingtest.Holds(t, at, want.kind, want.check, want.severity, want.detail)
	}
}

// With a wrong certificate of the internal server, the servers do not join, and usher check
// says why, from each side: what the internal server presents, and that the external one
// refuses its certificate.
func TestWrongCertificates(t *testing.T) {
	t.Parallel()
	cut := holds{"gateway", "event-gateway", finding.Error, fault.Runtime, "event-service"}
	for name, tt := range map[string]struct {
		change func(*pki.Request) *pki.Authority
		detail string
		side   string // of the finding about the refusal
	}{
		"the wrong name": {func(r *pki.Request) *pki.Authority {
			r.DNS = []string{"other-service"}
			return nil
		}, `does not hold for event-service, but for "other-service"`, ""},
		"another CA": {func(r *pki.Request) *pki.Authority {
			ca, _, err := pki.NewAuthority("other CA", 0, r.Now)
			callouttest.Must(t, err)
			return ca
		}, `certificate "event-service" of "other CA" is of another CA than those of`, "refuses the certificate of"},
		"ended": {func(r *pki.Request) *pki.Authority {
			r.Now, r.Lifetime = r.Now.Add(-4*time.Minute), time.Minute // the CA begins five minutes ago
			return nil
		}, "has ended at", "refuses the certificate of"},
		"not for clients": {func(r *pki.Request) *pki.Authority {
			r.Client = false
			return nil
		}, "is not for clients (clientAuth): those that it connects to refuse it", "refuses the certificate of"},
		"not for servers": {func(r *pki.Request) *pki.Authority {
			r.Server = false
			return nil
		}, "is not for servers (serverAuth): those that connect to it refuse it", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.New(t, nil)
			reissue(t, g, tt.change)
			external, internal := g.Server(t, setup.FileExternal), g.Server(t, setup.FileInternal)
			g.Usher(t)
			f := check(t, g, g.Path(setup.FileExternal), g.Path(setup.FileInternal))
			all := []holds{
				{"gateway certificate", "event-service at", finding.Error, fault.Config, tt.detail},
				cut,
			}
			if tt.side != "" {
				all = append(all, holds{"gateway address", "event-gateway at", finding.Error, fault.Config, tt.side})
			}
			expect(t, f, all)
			if external.Gateways() > 0 && internal.Gateways() > 0 {
				t.Error("the servers are joined")
			}
			t.Log(text(f))
		})
	}
}

// One server is down, and the other does not know it any more.
func TestServerDown(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	external := g.Server(t, setup.FileExternal)
	internal := g.Server(t, setup.FileInternal)
	g.Usher(t)
	callouttest.Eventually(t, "the servers are joined", func() bool { return external.Gateways() == 1 && internal.Gateways() == 1 })
	internal.Stop()
	callouttest.Eventually(t, "the gateway is cut", func() bool { return external.Gateways() == 0 })
	expect(t, check(t, g), []holds{
		{"gateway", "event-gateway", finding.Error, fault.Runtime, "gateway event-service is not joined"},
		{"gateway", "event-service", finding.Warning, fault.None, "no server of it answers"},
		{"gateway address", "event-service at", finding.Error, fault.Runtime, "cannot connect"},
		{"client port", "event-service at", finding.Error, fault.Runtime, "cannot connect"},
		{"gateway address", "event-gateway at", finding.OK, fault.None, "refuses a connection without a certificate"},
	})
}

// Both servers are up, and cannot reach each other's gateway.
func TestCut(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, func(o *setup.EventGateway) {
		o.Reach.External = fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t))
		o.Reach.Internal = fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t))
	})
	g.Server(t, setup.FileExternal)
	g.Server(t, setup.FileInternal)
	g.Usher(t)
	expect(t, check(t, g), []holds{
		{"gateway", "event-gateway", finding.Error, fault.Runtime, "neither has a connection to the other (its configuration has 127.0.0.1:"},
		{"gateway address", "event-gateway at", finding.Error, fault.Runtime, "cannot connect"},
		{"gateway address", "event-service at", finding.Error, fault.Runtime, "cannot connect"},
		{"client port", "event-service at", finding.OK, fault.None, "refuses clients without TLS, and without a certificate"},
	})
}

// Nobody reads events, and the account of events is not the same on both servers.
func TestOtherShares(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	edit(t, g, setup.FileInternal, "_STAN.close.*", "_STAN.closed.*")
	g.Start(t)
	expect(t, check(t, g), []holds{
		{"gateway interest", setup.AccountIngest, finding.Error, fault.Config, "on event-gateway it imports service _STAN.close.* from EVENTS; on event-service it imports service _STAN.closed.* from EVENTS"},
		{"gateway interest", setup.AccountIngest, finding.Warning, fault.None, "nobody on any server subscribes"},
	})
}

// The external server does not name the gateway of the internal one, and refuses it.
func TestUnknownGateway(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	edit(t, g, setup.FileExternal, "{ name: event-service,", "{ name: another-service,")
	g.Server(t, setup.FileExternal)
	g.Server(t, setup.FileInternal)
	g.Usher(t)
	f := check(t, g, g.Path(setup.FileExternal), g.Path(setup.FileInternal))
	expect(t, f, []holds{
		{"gateway", "event-gateway", finding.Error, fault.Runtime, "it is not in gateway.gateways of its configuration"},
		{"gateway config", setup.FileExternal, finding.Error, fault.Config, "does not name event-service"},
	})
}

// Servers that are joined, of which usher.yaml names only one.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, func(o *setup.EventGateway) {
		o.Config["gateways"] = `[{"name":"event-service","address":"` + o.GatewayOf.Internal + `","ca_file":"` + setup.FileCA + `","asks_usher":false}]`
	})
	g.Start(t)
	expect(t, check(t, g), []holds{
		{"gateway", "event-gateway", finding.Warning, fault.None, `is of gateway "event-gateway", which gateways does not list`},
		{"gateway", "event-service", finding.Warning, fault.None, `gateway "event-gateway" is joined, but gateways does not list it`},
	})
}

// The system user of an older installation may not ask about gateways.
func TestNotPermitted(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	edit(t, g, setup.FileExternal, `, "$SYS.REQ.SERVER.PING.GATEWAYZ", "$SYS.REQ.SERVER.PING.SUBSZ"`, "")
	g.Start(t)
	f := check(t, g)
	expect(t, f, []holds{
		{"gateway", "", finding.Warning, fault.None, "may not publish to $SYS.REQ.SERVER.PING.GATEWAYZ"},
		{"gateway", "", finding.Warning, fault.None, "may not publish to $SYS.REQ.SERVER.PING.SUBSZ"},
	})
	for _, x := range f {
		if x.Severity == finding.Error {
			t.Errorf("%+v", x)
		}
	}
}
