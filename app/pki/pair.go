package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// Pair is a certificate and its private key, both PEM.
type Pair struct {
	Cert []byte
	Key  []byte // PKCS #8
}

// ErrMismatch: the private key is not that of the certificate.
var ErrMismatch = errors.New("the private key is not that of the certificate")

// Parse reads the certificate and its key. No error has a part of the key.
func (p Pair) Parse() (*x509.Certificate, crypto.Signer, error) {
	cert, err := ParseCertificate(p.Cert)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate: %w", err)
	}
	block, _ := pem.Decode(p.Key)
	switch {
	case block == nil:
		return nil, nil, errors.New("private key: it is not PEM")
	case block.Type != pemKey:
		return nil, nil, fmt.Errorf("private key: it is %q in PEM, expected %q (PKCS #8, not encrypted)", block.Type, pemKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, errors.New("private key: it is not PKCS #8")
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, nil, errors.New("private key: it cannot sign")
	}
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return nil, nil, ErrMismatch
	}
	return cert, key, nil
}

const (
	pemCert = "CERTIFICATE"
	pemKey  = "PRIVATE KEY"
)

// ParseCertificate reads the first certificate of a PEM file.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemCert {
		return nil, errors.New("it is not a certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
