package endpoint

import (
	"log/slog"
	"time"

	"usher/app/assembly"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/internal/fault"
)

// CheckX509 checks the files of the listener for clients with certificates: its own
// certificate, and what it verifies theirs with.
func CheckX509(f *finding.List, cfg *config.Config) {
	x := &cfg.API.X509
	if x.Listen == "" {
		return
	}
	const check = "api x509 clients"
	c := certificateCheck{List: f, now: time.Now}
	c.listener("api x509 certificate", "api.x509.tls", &x.TLS, cfg.Keyring.AllowGroupReadable)
	if _, err := assembly.X509Login(x, slog.New(slog.DiscardHandler), time.Now); err != nil {
		f.Fail(fault.Config, check, "", "api.x509.client_ca_file takes CA certificates in PEM, and crl_files revocation lists in PEM or DER", "%v", err)
		return
	}
	cas, err := assembly.ReadCAs(x.ClientCAFile)
	if err != nil {
		f.Failed(check, fault.InConfig(err))
	}
	for _, ca := range cas {
		c.validity(check, x.ClientCAFile, ca, "add its successor to the file, and start usher again")
	}
}
