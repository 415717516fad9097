package assembly

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"

	"usher/api/authx509"
	"usher/app/config"
)

// X509Login makes what api.x509 gives keys by; a zero Config if it is off. It asks no
// other system.
func X509Login(cfg *config.APIX509, log *slog.Logger, now func() time.Time) (authx509.Config, error) {
	if cfg.Listen == "" {
		return authx509.Config{}, nil
	}
	out := authx509.Config{Roots: x509.NewCertPool(), Lifetime: cfg.KeyLifetime, MaxKeys: cfg.MaxKeys}
	cas, err := ReadCAs(cfg.ClientCAFile)
	if err != nil {
		return out, fmt.Errorf("api.x509.client_ca_file: %w", err)
	}
	for _, ca := range cas {
		out.Roots.AddCert(ca)
	}
	if out.Revocation, err = newRevocation(&cfg.Revocation, log, now); err != nil {
		return out, fmt.Errorf("api.x509.revocation: %w", err)
	}
	return out, nil
}
