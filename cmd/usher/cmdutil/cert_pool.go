package cmdutil

import (
	"crypto/x509"
	"fmt"
	"os"
)

// LoadCertPool reads a PEM file of certificate authorities.
func LoadCertPool(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}
