package setup_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest/gatewaytest"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout"
	"usher/callout/callouttest"
	tokenx509 "usher/tokens/x509"
)

// callouts is an event gateway whose internal server asks usher about services.
type callouts struct {
	*gatewaytest.Gateway
	ca *pki.Authority
}

func newCallouts(t *testing.T) *callouts {
	t.Helper()
	g := gatewaytest.New(t, func(o *setup.EventGateway) { o.Services = setup.ServicesByCallout })
	return &callouts{g, authorityOf(t, g)}
}

// certificate is that of a client that calls itself cn.
func (g *callouts) certificate(t *testing.T, cn string, change func(*pki.Request)) nats.Option {
	t.Helper()
	r := pki.Request{CN: cn, DNS: []string{setup.ServiceApplications}, Client: true} // the DNS name does not count
	if change != nil {
		change(&r)
	}
	f := issued(t, g.ca, r)
	certificate, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	callouttest.Must(t, err)
	config := g.InternalTLS(t, setup.ServiceApplications)
	config.Certificates = []tls.Certificate{certificate}
	return nats.Secure(config)
}

// event is a line of the audit.
type event struct{ Code, Rule, Profile, Account, User string }

func (g *callouts) events(t *testing.T) []event {
	t.Helper()
	text, err := os.ReadFile(g.Path(setup.FileAudit))
	callouttest.Must(t, err)
	var all []event
	for line := range bytes.Lines(text) {
		var e event
		if json.Unmarshal(line, &e) == nil { // the last line may not be whole yet
			all = append(all, e)
		}
	}
	return all
}

// tries connects to the internal server, and expects the code in the audit; empty: usher is
// not asked.
func (g *callouts) tries(t *testing.T, what, code string, options ...nats.Option) event {
	t.Helper()
	before := len(g.events(t))
	nc, err := nats.Connect("nats://"+g.Internal, append(options, callouttest.ConnectTimeout())...)
	if (err == nil) != (code == callout.CodeGranted) {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
	if err == nil {
		nc.Close()
	}
	if code == "" {
		if n := len(g.events(t)) - before; n != 0 {
			t.Errorf("%s: usher was asked", what)
		}
		return event{}
	}
	callouttest.Eventually(t, "a line of the audit", func() bool { return len(g.events(t)) > before })
	got := g.events(t)[before]
	if got.Code != code {
		t.Errorf("%s: %+v, want %s", what, got, code)
	}
	return got
}

// usher, which is connected to the external server, decides about the clients of the
// internal one, over the gateway.
//
// Attack: a client of the internal server is let in by a token, or by the certificate of another service or gateway
// Held by: usher takes the common name of the certificate alone, and denies a token beside it
func TestServicesByCallout(t *testing.T) {
	t.Parallel()
	g := newCallouts(t)
	g.Start(t)
	for _, name := range []string{setup.ServiceApplications, setup.GatewayInternal} {
		e := g.tries(t, name, callout.CodeGranted, g.certificate(t, name, nil))
		if e.Rule != "services" || e.Profile != name || e.Account != setup.AccountEvents || e.User != "services~"+name {
			t.Errorf("%s: %+v", name, e)
		}
	}
	g.tries(t, "a name that is not listed", callout.CodeIdentityProfile, g.certificate(t, "license-service", nil))
	g.tries(t, "in another case", callout.CodeIdentityProfile, g.certificate(t, "Applications-Service", nil))
	g.tries(t, "the other gateway", callout.CodeIdentityProfile, nats.Secure(g.InternalTLS(t, setup.GatewayExternal)))
	g.tries(t, "a wildcard", tokenx509.CodeCN, g.certificate(t, "*", nil))
	service := g.certificate(t, setup.ServiceApplications, nil)
	g.tries(t, "a token beside the certificate", tokenx509.CodeBesideToken, service, nats.Token(gatewaytest.IngestToken))
	g.tries(t, "a password beside the certificate", tokenx509.CodeBesideToken, service, nats.UserInfo("x", gatewaytest.IngestToken))
	g.tries(t, "a token as user name", tokenx509.CodeBesideToken, service, nats.UserInfo(gatewaytest.IngestToken, ""))
	g.tries(t, "another account", callout.CodeNotInAccount, service, nats.UserInfo("account="+setup.AccountIngest, ""))

	g.tries(t, "expired", "", g.certificate(t, setup.ServiceApplications, func(r *pki.Request) { r.Now, r.Lifetime = time.Now().Add(-4*time.Minute), time.Minute }))
	g.tries(t, "no certificate", "", nats.Secure(g.ExternalTLS(t, setup.GatewayInternal)))
	g.tries(t, "no certificate, but a token", "", nats.Secure(g.ExternalTLS(t, setup.GatewayInternal)), nats.Token(gatewaytest.IngestToken))
	other := callouts{Gateway: g.Gateway}
	other.ca, _ = authority(t)
	g.tries(t, "of another CA", "", other.certificate(t, setup.ServiceApplications, nil))
}

// While the gateway is cut, or usher is stopped, the internal server gets no answer, and its
// clients try again. Open connections stay.
func TestServicesByCalloutCut(t *testing.T) {
	t.Parallel()
	g := newCallouts(t)
	external, internal := g.Server(t, setup.FileExternal), g.Server(t, setup.FileInternal)
	joined := func() bool { return external.Gateways() == 1 && internal.Gateways() == 1 }
	callouttest.Eventually(t, "the servers are joined", joined)
	g.Usher(t)
	open := g.Service(t, setup.ServiceApplications)
	silent := func(what string) {
		_, err := nats.Connect("nats://"+g.Internal, nats.Secure(g.InternalTLS(t, setup.ServiceApplications)), callouttest.ConnectTimeout())
		if err == nil || strings.Contains(err.Error(), "Authorization Violation") {
			t.Errorf("%s: %v, want no answer", what, err)
		}
		callouttest.Must(t, open.Flush())
	}
	external.Stop()
	silent("the gateway is cut")
	external = g.Server(t, setup.FileExternal)
	callouttest.Eventually(t, "the servers are joined again", joined)
	connects := func() bool {
		nc, err := nats.Connect("nats://"+g.Internal, nats.Secure(g.InternalTLS(t, setup.ServiceApplications)), callouttest.ConnectTimeout())
		if err == nil {
			nc.Close()
		}
		return err == nil
	}
	callouttest.Eventually(t, "usher answers again", connects)

	g.StopUsher()
	silent("usher is stopped")
	g.Usher(t)
	callouttest.Eventually(t, "usher answers again", connects)
}

// A service whose profile is removed, or renamed, gets in no more after a restart of usher.
func TestServiceLosesProfile(t *testing.T) {
	t.Parallel()
	g := newCallouts(t)
	g.Start(t)
	service := g.certificate(t, setup.ServiceApplications, nil)
	g.tries(t, "before", callout.CodeGranted, service)
	g.StopUsher()
	// It is written for those who edit it.
	g.Edit(t, setup.FileConfig, "- name: "+setup.ServiceApplications, "- name: renamed")
	g.Usher(t)
	g.tries(t, "after", callout.CodeIdentityProfile, service)
	g.tries(t, "renamed", callout.CodeGranted, g.certificate(t, "renamed", nil))
}

// What usher cannot decide about is refused.
func TestServicesByCalloutRefused(t *testing.T) {
	for _, g := range []*setup.EventGateway{
		{Bridge: &setup.Bridge{}},
		{ExternalOnly: true},
	} {
		g.Dir, g.Services = t.TempDir(), setup.ServicesByCallout
		if _, err := setup.WriteEventGateway(g); err == nil || !strings.Contains(err.Error(), "internal server") {
			t.Errorf("%+v: %v", g, err)
		}
	}
}

// How fast usher answers the internal server, beside the external one, is in
// docs/how-to/internal-services.md.
func BenchmarkServiceConnect(b *testing.B) {
	for _, by := range []setup.ServicesBy{setup.ServicesByServer, setup.ServicesByCallout} {
		b.Run(string(by), func(b *testing.B) {
			g := gatewaytest.New(b, func(o *setup.EventGateway) { o.Services = by })
			g.Start(b)
			for b.Loop() {
				g.Service(b, setup.ServiceApplications).Close()
			}
		})
	}
	b.Run("external", func(b *testing.B) {
		g := gatewaytest.New(b, nil)
		g.Start(b)
		for b.Loop() {
			g.Supervisor(b, gatewaytest.IngestToken).Close()
		}
	})
}
