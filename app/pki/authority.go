package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
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

// Authority is a CA.
type Authority struct {
	Cert *x509.Certificate
	key  crypto.Signer
}

// Errors of a CA that cannot sign what it is asked to.
var (
	ErrEnded          = errors.New("the CA has ended")
	ErrNotBegun       = errors.New("the CA is not valid yet")
	ErrAfterAuthority = errors.New("it would end after its CA")
)

// NewAuthority makes a CA of this common name. lifetime 0: AuthorityLifetime.
func NewAuthority(cn string, lifetime time.Duration, now time.Time) (*Authority, Pair, error) {
	if err := checkCN(cn); err != nil {
		return nil, Pair{}, err
	}
	if lifetime == 0 {
		lifetime = AuthorityLifetime
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: cn},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true,
		MaxPathLenZero: true, // it signs no other CA
	}
	key, err := newKey(template)
	if err != nil {
		return nil, Pair{}, err
	}
	cert, pair, err := sign(template, template, key, key)
	if err != nil {
		return nil, Pair{}, err
	}
	return &Authority{Cert: cert, key: key}, pair, nil
}

// ParseAuthority reads a CA and its key. It accepts one that has ended, so that its
// certificates can be listed; Issue does not.
func ParseAuthority(p Pair) (*Authority, error) {
	cert, key, err := p.Parse()
	switch {
	case errors.Is(err, ErrMismatch):
		return nil, fmt.Errorf("CA key: it is not the key of the CA certificate: %w", err)
	case err != nil:
		return nil, fmt.Errorf("CA %w", err)
	case !cert.IsCA:
		return nil, errors.New("CA certificate: it is the certificate of a server or client, not of a CA")
	case cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, errors.New("CA certificate: its key usage does not allow to sign certificates")
	}
	return &Authority{Cert: cert, key: key}, nil
}

// Issue makes a key and a certificate for it.
func (a *Authority) Issue(r *Request) (Pair, error) {
	if err := r.check(); err != nil {
		return Pair{}, err
	}
	switch {
	case r.CN == a.Cert.Subject.CommonName:
		return Pair{}, fmt.Errorf("certificate %s: %w: it is that of its CA", r.CN, ErrName)
	case !r.Now.Before(a.Cert.NotAfter):
		return Pair{}, fmt.Errorf("certificate %s: %w at %s", r.CN, ErrEnded, a.Cert.NotAfter.UTC().Format(time.RFC3339))
	case r.Now.Before(a.Cert.NotBefore):
		return Pair{}, fmt.Errorf("certificate %s: %w: it begins at %s", r.CN, ErrNotBegun, a.Cert.NotBefore.UTC().Format(time.RFC3339))
	}
	template := r.template()
	if r.Lifetime == 0 && template.NotAfter.After(a.Cert.NotAfter) {
		template.NotAfter = a.Cert.NotAfter
	}
	if template.NotAfter.After(a.Cert.NotAfter) {
		return Pair{}, fmt.Errorf("certificate %s: %w, at %s", r.CN, ErrAfterAuthority, a.Cert.NotAfter.UTC().Format(time.RFC3339))
	}
	if template.NotBefore.Before(a.Cert.NotBefore) {
		template.NotBefore = a.Cert.NotBefore
	}
	key, err := newKey(template)
	if err != nil {
		return Pair{}, err
	}
	_, pair, err := sign(template, a.Cert, key, a.key)
	return pair, err
}

// newKey makes a key, and writes its id into the template: RFC 5280 section 4.2.1.2 wants
// one in every certificate, and crypto/x509 adds it to those of a CA alone. The id is that
// of RFC 7093 section 2, method 1.
func newKey(template *x509.Certificate) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("create key: %w", err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("create key: %w", err)
	}
	sum := sha256.Sum256(public)
	template.SubjectKeyId = sum[:20]
	return key, nil
}

// sign signs a certificate with the key of its parent, and encodes it with its own.
// crypto/x509 chooses a random serial number of 20 bytes.
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
		Cert: pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: text}),
	}, nil
}
