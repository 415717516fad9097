package endpoint

import (
	"os"
	"path/filepath"
	"testing"

	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

func TestCheckX509(t *testing.T) {
	t.Parallel()
	ca := callouttest.NewCA(t)
	cert, key := ca.Issue(t, "usher")
	_, otherKey := ca.Issue(t, "other")
	list := filepath.Join(t.TempDir(), "list")
	callouttest.Must(t, os.WriteFile(list, []byte("no list"), 0o600))
	for name, tt := range map[string]struct {
		change   func(*config.APIX509)
		check    string
		severity finding.Severity
		detail   string
		kind     fault.Kind
	}{
		"good":        {func(*config.APIX509) {}, "api x509 certificate", "warning", "ends at", fault.None}, // valid for one day
		"its CA":      {func(*config.APIX509) {}, "api x509 clients", "warning", "ends at", fault.None},
		"another key": {func(x *config.APIX509) { x.TLS.KeyFile = otherKey }, "api x509 certificate", "error", "private key does not match", fault.Config},
		"no CA":       {func(x *config.APIX509) { x.ClientCAFile = key }, "api x509 clients", "error", "api.x509.client_ca_file: expected certificates", fault.Config},
		"no list": {func(x *config.APIX509) {
			x.Revocation.Check, x.Revocation.Unreachable, x.Revocation.CRLFiles = "crl", "deny", []string{list}
		}, "api x509 clients", "error", "api.x509.revocation: ", fault.Config},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			cfg.API.X509.Listen, cfg.API.X509.ClientCAFile = "127.0.0.1:0", ca.File
			cfg.API.X509.TLS = config.APITLS{CertFile: cert, KeyFile: key}
			tt.change(&cfg.API.X509)
			var f finding.List
			CheckX509(&f, &cfg)
			findingtest.Holds(t, f, tt.kind, tt.check, tt.severity, tt.detail)
		})
	}
	var f finding.List
	cfg := config.Default()
	if CheckX509(&f, &cfg); f != nil {
		t.Errorf("it is off: %+v", f)
	}
}
