// Package tlsfiles makes TLS configurations of clients from files in PEM form.
//
// It promises TLS 1.2 or later, and refuses files that other users could have written,
// and keys that others can read.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"usher/internal/ownedfile"
	"usher/internal/secretfile"
)

// Files are the paths of the files. Empty: none.
type Files struct {
	CA                 string // certificates to trust instead of those of the system
	Cert, Key          string // client certificate
	AllowGroupReadable bool   // the group of Key may read it
}

const maxPEM = 1 << 20

// Client reads the files. Its errors begin with the name of the configuration key:
// ca_file, cert_file or key_file. For each connection the client certificate is read
// again, so that a renewed one is used; if it cannot be read, the last one is.
func Client(f Files) (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		// A user who can replace the file chooses the trusted peer.
		text, _, err := ownedfile.Read(f.CA, ownedfile.Rule{Max: maxPEM})
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", secretfile.HidePath(err))
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("ca_file: contains no certificate in PEM form")
		}
	}
	if f.Cert == "" {
		return out, nil
	}
	first, err := f.pair()
	if err != nil {
		return nil, err
	}
	out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if renewed, err := f.pair(); err == nil {
			return renewed, nil
		}
		return first, nil
	}
	return out, nil
}

func (f Files) pair() (*tls.Certificate, error) {
	cert, _, err := ownedfile.Read(f.Cert, ownedfile.Rule{Max: maxPEM})
	if err != nil {
		return nil, fmt.Errorf("cert_file: %w", secretfile.HidePath(err))
	}
	key, _, err := ownedfile.Read(f.Key, ownedfile.Rule{Secret: true, GroupRead: f.AllowGroupReadable, Max: maxPEM})
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", secretfile.HidePath(err))
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("cert_file: %w", err)
	}
	return &pair, nil
}
