package assembly

import (
	"crypto/x509"
	"encoding/pem"
	"time"

	"usher/app/config"
	"usher/internal/metrics"
	"usher/internal/ownedfile"
)

const maxCertificates = 1 << 20 // bytes of a file

// CertificateState is the metric of when the certificates in the files of a configuration end.
// Each scrape reads the files, so that a renewed certificate is seen at once.
func CertificateState(cfg *config.Config) metrics.State {
	files := cfg.CertificateFiles()
	return metrics.State{
		Name: "usher_certificate_not_after_timestamp_seconds", Labels: []string{"key"},
		Help: "When the certificates in the file end that this key of usher.yaml names: of a certificate with its chain, the first that ends; of CA certificates, the last. A file that cannot be read is left out.",
		Read: func() []metrics.Sample {
			var samples []metrics.Sample
			for _, f := range files {
				if end := certificatesEnd(f); !end.IsZero() {
					samples = append(samples, metrics.Sample{Labels: []string{f.Key}, Value: float64(end.Unix())})
				}
			}
			return samples
		},
	}
}

// certificatesEnd returns when the certificates of a file end; zero: it has none.
func certificatesEnd(f config.CertificateFile) (end time.Time) {
	text, _, err := ownedfile.Read(f.Path, ownedfile.Rule{Max: maxCertificates})
	if err != nil {
		return time.Time{}
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return end
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		if end.IsZero() || cert.NotAfter.Before(end) != f.Authority {
			end = cert.NotAfter
		}
	}
}
