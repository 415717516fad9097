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
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// CA is a certificate authority. Its files are removed when the test ends.
type CA struct {
	Cert   *x509.Certificate
	File   string // PEM of the certificate
	dir    string
	key    *ecdsa.PrivateKey
	above  []*x509.Certificate // of an intermediate CA: from its issuer to the root
	serial atomic.Int64        // of the last certificate
}

// NewCA creates a certificate authority.
func NewCA(tb testing.TB) *CA {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Must(tb, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "callouttest CA"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	Must(tb, err)
	cert, err := x509.ParseCertificate(der)
	Must(tb, err)
	ca := &CA{Cert: cert, dir: tb.TempDir(), key: key}
	ca.serial.Store(1)
	ca.File = filepath.Join(ca.dir, "ca.pem")
	writePEM(tb, ca.File, "CERTIFICATE", der)
	return ca
}

// Issue issues a certificate for localhost with common name cn, and returns the paths
// of certificate and key.
func (ca *CA) Issue(tb testing.TB, cn string) (certFile, keyFile string) {
	tb.Helper()
	return ca.Certificate(tb, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: cn}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		c.DNSNames = []string{"localhost", cn}
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}).Files(tb, cn)
}

// ClientTLS returns a client configuration that trusts ca.
func (ca *CA) ClientTLS() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

func writePEM(tb testing.TB, path, kind string, ders ...[]byte) {
	tb.Helper()
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	Must(tb, os.WriteFile(path, text, 0o600))
}
