package gateway_test

import (
	"testing"
	"time"

	"usher/app/apptest/gatewaytest"
	"usher/app/checkup"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

// checkFiles checks both configuration files of an event gateway, without servers.
func checkFiles(t *testing.T, g *gatewaytest.Gateway) finding.List {
	t.Helper()
	cfg, err := config.Load(g.Config())
	callouttest.Must(t, err)
	var f finding.List
	checkup.Check(t.Context(), &f, g.Config(), cfg, true, []string{g.Path(setup.FileExternal), g.Path(setup.FileInternal)})
	return f
}

func TestFiles(t *testing.T) {
	t.Parallel()
	for _, x := range checkFiles(t, gatewaytest.New(t, nil)) {
		if x.Severity != finding.OK {
			t.Errorf("%+v", x)
		}
	}
	const external, internal = setup.FileExternal, setup.FileInternal
	type replacement struct{ file, old, text string }
	for name, tt := range map[string]struct {
		edits    []replacement
		where    string
		severity finding.Severity
		detail   string
	}{
		"anybody may join":        {[]replacement{{external, "reject_unknown_cluster: true", ""}}, external, finding.Warning, "lets gateways join that it does not name"},
		"any certificate":         {[]replacement{{internal, "verify_cert_and_check_known_urls: true", ""}}, internal, finding.Warning, "lets everybody join who has a certificate of its CA"},
		"nothing verified":        {[]replacement{{internal, "verify_cert_and_check_known_urls: true", "insecure: true"}}, internal, finding.Error, "does not verify the certificates of others"},
		"another name":            {[]replacement{{external, "{ name: event-service,", "{ name: other,"}}, external, finding.Error, "does not name event-service"},
		"URL without the name":    {[]replacement{{internal, "nats://event-gateway:", "nats://other:"}}, external, finding.Error, `holds for "event-gateway", but`},
		"clients without TLS":     {[]replacement{{external, "server_name: event-gateway", "server_name: event-gateway\nallow_non_tls: true"}}, external, finding.Error, "accepts clients without TLS"},
		"monitoring for all":      {[]replacement{{external, "server_name: event-gateway", "server_name: event-gateway\nhttp: 0.0.0.0:8222"}}, external, finding.Warning, "HTTP monitoring on 0.0.0.0:8222"},
		"services without a cert": {[]replacement{{internal, "verify_and_map: true", ""}}, internal, finding.Error, "accepts clients without a certificate"},
		"a service with all":      {[]replacement{{internal, `"habitat.event.>" ]`, `">" ]`}}, internal, finding.Warning, "applications-service in EVENTS"},
		"another export":          {[]replacement{{external, "_STAN.close.*", "_STAN.closed.*"}}, external, finding.Error, "account EVENTS has exports"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.New(t, nil)
			for _, e := range tt.edits {
				edit(t, g, e.file, e.old, e.text)
			}
			kind := fault.None
			if tt.severity == finding.Error {
				kind = fault.Config
			}
			expect(t, checkFiles(t, g), []holds{{"gateway config", tt.where, tt.severity, kind, tt.detail}})
		})
	}
	for name, tt := range map[string]struct {
		change func(*pki.Request) *pki.Authority
		detail string
	}{
		"another CA": {func(r *pki.Request) *pki.Authority {
			ca, _, err := pki.NewAuthority("other CA", 0, r.Now)
			callouttest.Must(t, err)
			return ca
		}, "is of another CA than those of"},
		"ended": {func(r *pki.Request) *pki.Authority {
			r.Now, r.Lifetime = r.Now.Add(-4*time.Minute), time.Minute // the CA begins five minutes ago
			return nil
		}, "has ended at"},
		"another name": {func(r *pki.Request) *pki.Authority {
			r.DNS = []string{"other"}
			return nil
		}, `holds for "other", but`},
		"not for clients": {func(r *pki.Request) *pki.Authority {
			r.Client = false
			return nil
		}, "is not for clients"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.New(t, nil)
			reissue(t, g, tt.change)
			expect(t, checkFiles(t, g), []holds{{"gateway config", internal, finding.Error, fault.Config, tt.detail}})
		})
	}
}
