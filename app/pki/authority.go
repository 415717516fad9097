package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"time"
)

// Lifetimes of what is made without a stated one.
const (
	AuthorityLifetime   = 10 * 365 * 24 * time.Hour
	CertificateLifetime = 365 * 24 * time.Hour
)

// backdate is how long before its creation a certificate begins to be valid, for machines
// whose clock is behind.
const backdate = 5 * time.Minute

// Pair is a certificate and its private key, both PEM.
type Pair struct {
	Cert []byte
	Key  []byte // PKCS #8
}

// Authority is a CA.
type Authority struct {
	Cert *x509.Certificate
	key  crypto.Signer
}

// NewAuthority makes a CA of this common name. lifetime 0: AuthorityLifetime.
func NewAuthority(cn string, lifetime time.Duration, now time.Time) (*Authority, Pair, error) {
	if lifetime == 0 {
		lifetime = AuthorityLifetime
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: cn},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, Pair{}, fmt.Errorf("create key: %w", err)
	}
	cert, pair, err := sign(template, template, key, key)
	if err != nil {
		return nil, Pair{}, err
	}
	return &Authority{Cert: cert, key: key}, pair, nil
}

// ParseAuthority reads a CA and its key.
func ParseAuthority(p Pair) (*Authority, error) {
	cert, err := ParseCertificate(p.Cert)
	if err != nil {
		return nil, fmt.Errorf("CA certificate: %w", err)
	}
	if !cert.IsCA {
		return nil, errors.New("CA certificate: it is the certificate of a server or client, not of a CA")
	}
	block, _ := pem.Decode(p.Key)
	if block == nil {
		return nil, errors.New("CA key: it is not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("CA key: it is not a private key in PKCS #8")
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("CA key: it cannot sign")
	}
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return nil, errors.New("CA key: it is not the key of the CA certificate")
	}
	return &Authority{Cert: cert, key: key}, nil
}

// ParseCertificate reads the first certificate of a PEM file.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("it is not a certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// Request describes a certificate.
type Request struct {
	CN       string
	DNS      []string // subject alternative names
	IPs      []net.IP
	Server   bool          // it is for a server
	Client   bool          // it is for a client
	Lifetime time.Duration // 0: CertificateLifetime
	Now      time.Time
}

// ErrAfterAuthority: the certificate would end after its CA.
var ErrAfterAuthority = errors.New("it would end after its CA")

// Issue makes a key and a certificate for it.
func (a *Authority) Issue(r *Request) (Pair, error) {
	lifetime := r.Lifetime
	if lifetime == 0 {
		lifetime = min(CertificateLifetime, a.Cert.NotAfter.Sub(r.Now))
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: r.CN},
		NotBefore: r.Now.Add(-backdate), NotAfter: r.Now.Add(lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature,
		DNSNames: r.DNS, IPAddresses: r.IPs,
		BasicConstraintsValid: true,
	}
	if template.NotAfter.After(a.Cert.NotAfter) {
		return Pair{}, fmt.Errorf("certificate %s: %w", r.CN, ErrAfterAuthority)
	}
	if r.Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if r.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("create key: %w", err)
	}
	_, pair, err := sign(template, a.Cert, key, a.key)
	return pair, err
}

// sign signs a certificate with the key of its parent, and encodes it with its own.
func sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey, by crypto.Signer) (*x509.Certificate, Pair, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		return nil, Pair{}, fmt.Errorf("sign certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, Pair{}, fmt.Errorf("sign certificate: %w", err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, Pair{}, fmt.Errorf("encode key: %w", err)
	}
	return cert, Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}),
	}, nil
}
