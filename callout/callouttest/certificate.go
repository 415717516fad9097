package callouttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Certificate is a certificate of a client with its key and its chain.
type Certificate struct {
	Cert  *x509.Certificate
	Key   *ecdsa.PrivateKey
	Chain []*x509.Certificate // from Cert to the root
	dir   string
}

// Certificate issues a certificate for clients, which change may make another one.
func (ca *CA) Certificate(tb testing.TB, change func(*x509.Certificate)) *Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Must(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(ca.serial.Add(1)),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Cert, key.Public(), ca.key)
	Must(tb, err)
	cert, err := x509.ParseCertificate(der)
	Must(tb, err)
	return &Certificate{Cert: cert, Key: key, Chain: append([]*x509.Certificate{cert}, ca.chain()...), dir: ca.dir}
}

// chain returns the chain of the CA, from itself to the root.
func (ca *CA) chain() []*x509.Certificate { return append([]*x509.Certificate{ca.Cert}, ca.above...) }

// Intermediate creates a CA whose certificate ca issued.
func (ca *CA) Intermediate(tb testing.TB, cn string, change func(*x509.Certificate)) *CA {
	tb.Helper()
	c := ca.Certificate(tb, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: cn}
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil
		if change != nil {
			change(c)
		}
	})
	intermediate := &CA{Cert: c.Cert, File: ca.File, dir: ca.dir, key: c.Key, above: ca.chain()}
	intermediate.serial.Store(1)
	return intermediate
}

// PEM returns the chain as nats-server sends it.
func (c *Certificate) PEM() []string {
	texts := make([]string, len(c.Chain))
	for i, cert := range c.Chain {
		texts[i] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	return texts
}

// Files writes the certificate, with those between it and the root, and its key.
func (c *Certificate) Files(tb testing.TB, name string) (certFile, keyFile string) {
	tb.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.Key)
	Must(tb, err)
	certFile, keyFile = filepath.Join(c.dir, name+".pem"), filepath.Join(c.dir, name+"-key.pem")
	sent := c.Chain[:1:1]
	if len(c.Chain) > 2 {
		sent = c.Chain[:len(c.Chain)-1]
	}
	var blocks [][]byte
	for _, cert := range sent {
		blocks = append(blocks, cert.Raw)
	}
	writePEM(tb, certFile, "CERTIFICATE", blocks...)
	writePEM(tb, keyFile, "PRIVATE KEY", key)
	return certFile, keyFile
}

// TLS returns what a client presents in a handshake.
func (c *Certificate) TLS() tls.Certificate {
	out := tls.Certificate{PrivateKey: c.Key}
	for _, cert := range c.Chain {
		out.Certificate = append(out.Certificate, cert.Raw)
	}
	return out
}

// CRL returns a CRL in DER, good for an hour, which change may make another one.
func (ca *CA) CRL(tb testing.TB, change func(*x509.RevocationList), revoked ...*Certificate) []byte {
	tb.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: c.Cert.SerialNumber, RevocationTime: list.ThisUpdate,
		})
	}
	if change != nil {
		change(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.Cert, ca.key)
	Must(tb, err)
	return der
}

// OCSP returns an OCSP response about c, good for an hour, which change may make another
// one. by signs it; nil: ca itself.
func (ca *CA) OCSP(tb testing.TB, c *Certificate, status int, by *Certificate, change func(*ocsp.Response)) []byte {
	tb.Helper()
	r := ocsp.Response{
		Status: status, SerialNumber: c.Cert.SerialNumber,
		ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour), RevokedAt: time.Now().Add(-time.Hour),
	}
	responder, key := ca.Cert, ca.key
	if by != nil {
		responder, key, r.Certificate = by.Cert, by.Key, by.Cert
	}
	if change != nil {
		change(&r)
	}
	der, err := ocsp.CreateResponse(ca.Cert, responder, r, key)
	Must(tb, err)
	return der
}
