package callout_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/crypto/ocsp"

	"usher/callout/callouttest"
	"usher/tokens"
	tokenx509 "usher/tokens/x509"
	"usher/tokens/x509/revocation"
)

const certificateDirectory = `
users:
  - {name: publisher, certificates: [{subject: "CN=publisher,O=A\\, Inc"}], keys: [{digest: KEY(publisher-key)}]}
  - {name: other, keys: [{digest: KEY(other-key)}]}
projects:
  - name: shop
    account: APP
    members: [{user: publisher, roles: [publisher]}, {user: other, roles: [publisher]}]
    topics: [{name: orders, acl: [publisher, other]}]
`

// certificates is a real server that verifies client certificates, with a service that
// takes them as credentials.
type certificates struct {
	*callouttest.CA
	server  *callouttest.Server
	service *callouttest.Service
}

func startCertificates(t *testing.T, ca *callouttest.CA, cfg tokenx509.Config) *certificates {
	t.Helper()
	keys := callouttest.NewKeys(t)
	s := &certificates{CA: ca, server: callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, TLS: ca, Verify: true})}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Name = "machines"
	v, err := tokenx509.NewVerifier(cfg)
	callouttest.Must(t, err)
	own := ca.Certificate(t, nil)
	s.service = callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: s.server.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(certificateDirectory),
		Verifiers: []tokens.Verifier{v},
		Options:   []nats.Option{nats.UserInfo(callouttest.ServiceUser, callouttest.Password), s.present(own)},
	})
	return s
}

// present makes a client present a certificate.
func (s *certificates) present(c *callouttest.Certificate) nats.Option {
	cfg := s.ClientTLS()
	cfg.Certificates = []tls.Certificate{c.TLS()}
	return nats.Secure(cfg)
}

// connects connects over TCP and over WebSocket, and checks the code of the decision.
func (s *certificates) connects(t *testing.T, c *callouttest.Certificate, code string, more ...nats.Option) {
	t.Helper()
	for _, at := range []string{s.server.URL(), s.server.WebSocketURL()} {
		before := len(s.service.Settled(t))
		nc, err := nats.Connect(at, append([]nats.Option{s.present(c), callouttest.ConnectTimeout(), ignoreErrors()}, more...)...)
		if (err == nil) != (code == "granted") {
			t.Errorf("%s: %v, want %s", at, err, code)
		}
		if err == nil {
			callouttest.Must(t, nc.Publish("shop.orders", nil))
			callouttest.Must(t, nc.Flush())
			nc.Close()
		}
		callouttest.Eventually(t, "an audit event", func() bool { return len(s.service.Events(t)) > before })
		if got := s.service.Events(t)[before].Text("code"); got != code {
			t.Errorf("%s: %s, want %s", at, got, code)
		}
	}
}

// TestCertificates: the certificate that nats-server verified is the credential.
func TestCertificates(t *testing.T) {
	ca := callouttest.NewCA(t)
	named := func(cn string) *callouttest.Certificate {
		return ca.Certificate(t, func(c *x509.Certificate) {
			c.Subject.CommonName, c.Subject.Organization = cn, []string{"A, Inc"}
		})
	}
	publisher, revoked := named("publisher"), named("publisher")
	list := filepath.Join(t.TempDir(), "ca.crl")
	callouttest.Must(t, os.WriteFile(list, ca.CRL(t, nil, revoked), 0o600))
	checker, err := revocation.New(revocation.Config{Mode: revocation.CRL, Unreachable: revocation.Deny, CRLFiles: []string{list}, Now: time.Now})
	callouttest.Must(t, err)
	s := startCertificates(t, ca, tokenx509.Config{Identity: tokenx509.BySubject, Revocation: checker, WithToken: tokenx509.WithTokenAgree})

	s.connects(t, publisher, "granted")
	s.connects(t, revoked, tokenx509.CodeRevoked)
	s.connects(t, named("nobody"), tokenx509.CodeUnknownSubject)
	s.connects(t, ca.Intermediate(t, "no CRL", nil).Certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = "publisher" }), tokenx509.CodeNotChecked)
	s.connects(t, publisher, "granted", nats.Token("publisher-key"))
	s.connects(t, publisher, tokenx509.CodeDisagrees, nats.Token("other-key"))
	s.connects(t, revoked, tokenx509.CodeRevoked, nats.Token("publisher-key"))
	if text := s.service.AuditText(); !strings.Contains(text, `"method":"x509"`) || strings.Contains(text, "BEGIN CERTIFICATE") {
		t.Errorf("audit: %s", text)
	}
}

// TestCertificateFaults: faults that nats-server does not look for.
func TestCertificateFaults(t *testing.T) {
	ca := callouttest.NewCA(t)
	issue := func(change func(*x509.Certificate)) *callouttest.Certificate { return ca.Certificate(t, change) }
	withURIs := func(texts ...string) *callouttest.Certificate {
		return issue(func(c *x509.Certificate) {
			for _, text := range texts {
				u, err := url.Parse(text)
				callouttest.Must(t, err)
				c.URIs = append(c.URIs, u)
			}
		})
	}
	s := startCertificates(t, ca, tokenx509.Config{Identity: tokenx509.BySPIFFE, TrustDomains: []string{"example.org"}})
	s.connects(t, withURIs("spiffe://example.org/a", "spiffe://example.org/b"), tokenx509.CodeSAN)
	s.connects(t, withURIs(), tokenx509.CodeSAN)
	s.connects(t, withURIs("spiffe://example.com/a"), tokenx509.CodeTrustDomain)

	other := callouttest.NewCA(t)
	s = startCertificates(t, ca, tokenx509.Config{Identity: tokenx509.ByDNS, CAs: []*x509.Certificate{other.Cert}})
	s.connects(t, issue(func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com"} }), tokenx509.CodeIssuer)
	s.connects(t, issue(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), tokenx509.CodeCA)

	later := func() time.Time { return time.Now().Add(48 * time.Hour) }
	s = startCertificates(t, ca, tokenx509.Config{Identity: tokenx509.ByDNS, Now: later})
	s.connects(t, issue(func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} }), tokenx509.CodeSAN)
	s.connects(t, issue(func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com"} }), tokenx509.CodeExpired)
}

// TestCertificateUnavailable: while the CA does not answer, the client is not answered.
func TestCertificateUnavailable(t *testing.T) {
	t.Parallel()
	ca := callouttest.NewCA(t)
	responses := make(chan []byte, 2)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the server sees the client leave
		select {
		case body := <-responses:
			w.Header().Set("Content-Type", "application/ocsp-response")
			_, _ = w.Write(body)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(site.Close)
	at, err := url.Parse(site.URL)
	callouttest.Must(t, err)
	cert := ca.Certificate(t, func(c *x509.Certificate) {
		c.Subject.CommonName, c.Subject.Organization, c.OCSPServer = "publisher", []string{"A, Inc"}, []string{site.URL}
	})
	checker, err := revocation.New(revocation.Config{
		Mode: revocation.OCSP, Unreachable: revocation.Unavailable, Hosts: []string{at.Host}, Timeout: 10 * time.Millisecond, Now: time.Now,
	})
	callouttest.Must(t, err)
	s := startCertificates(t, ca, tokenx509.Config{Identity: tokenx509.BySubject, Revocation: checker})
	s.connects(t, cert, "verifier_unavailable")

	checker, err = revocation.New(revocation.Config{
		Mode: revocation.OCSP, Unreachable: revocation.Unavailable, Hosts: []string{at.Host}, Now: time.Now,
	})
	callouttest.Must(t, err)
	s = startCertificates(t, ca, tokenx509.Config{Identity: tokenx509.BySubject, Revocation: checker})
	responses <- ca.OCSP(t, cert, ocsp.Good, nil, nil)
	s.connects(t, cert, "granted")
}
