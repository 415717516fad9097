package pushserver

import (
	"crypto/x509"
	"errors"

	"usher/internal/ownedfile"
	"usher/internal/secretfile"
)

// clientCAs reads the certificates that vouch for clients. A user who can write the file
// chooses who may call.
func clientCAs(path string) (*x509.CertPool, error) {
	const maxPEM = 1 << 20
	text, _, err := ownedfile.Read(path, ownedfile.Rule{Max: maxPEM})
	if err != nil {
		return nil, secretfile.HidePath(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("contains no certificate in PEM form")
	}
	return pool, nil
}
