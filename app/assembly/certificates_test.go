package assembly

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/app/config"
	"usher/callout/callouttest"
	"usher/internal/secretfile"
)

// TestCertificateState: a chain ends with its first certificate, CA certificates with the last
// one, a renewed file is read again, and a file that cannot be read is left out.
func TestCertificateState(t *testing.T) {
	t.Parallel()
	ca := callouttest.NewCA(t)
	soon := ca.Cert.NotAfter.Add(-time.Hour)
	cert, key := ca.Certificate(t, func(c *x509.Certificate) { c.NotAfter = soon }).Files(t, "soon")
	leaf, err := os.ReadFile(cert)
	callouttest.Must(t, err)
	above, err := os.ReadFile(ca.File)
	callouttest.Must(t, err)
	chain := filepath.Join(t.TempDir(), "chain.pem")
	callouttest.Must(t, secretfile.Write(chain, append(above, leaf...)))

	cfg := &config.Config{NATS: config.NATS{TLS: config.TLS{CAFile: chain, CertFile: chain, KeyFile: key}}}
	cfg.API.TLS.CertFile = filepath.Join(t.TempDir(), "missing.pem")
	state := CertificateState(cfg)
	ends := func() map[string]int64 {
		all := map[string]int64{}
		for _, s := range state.Read() {
			all[s.Labels[0]] = int64(s.Value)
		}
		return all
	}
	got := ends()
	if len(got) != 2 || got["nats.tls.cert_file"] != soon.Unix() || got["nats.tls.ca_file"] != ca.Cert.NotAfter.Unix() {
		t.Errorf("%v, not %d and %d", got, soon.Unix(), ca.Cert.NotAfter.Unix())
	}
	callouttest.Must(t, secretfile.Write(chain, above))
	if got := ends(); got["nats.tls.cert_file"] != ca.Cert.NotAfter.Unix() {
		t.Errorf("renewed: %v", got)
	}
}
