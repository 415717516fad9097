package natsconn_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/config"
	"usher/app/natsconn"
	"usher/app/pki"
	"usher/callout/callouttest"
)

// TestTLSHint: the errors are those of crypto/x509 for certificates of package pki.
func TestTLSHint(t *testing.T) {
	now := time.Now()
	ca, _, err := pki.NewAuthority("test CA", 0, now)
	callouttest.Must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	verify := func(r pki.Request, at time.Time, roots *x509.CertPool, name string) error {
		t.Helper()
		r.CN, r.DNS, r.Now, r.Lifetime = "server", []string{"a.example.org"}, now, time.Hour
		pair, err := ca.Issue(&r)
		callouttest.Must(t, err)
		cert, err := pki.ParseCertificate(pair.Cert)
		callouttest.Must(t, err)
		_, err = cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		return fmt.Errorf("%w: %w", nats.ErrTLS, &tls.CertificateVerificationError{Err: err})
	}
	server, client, none := pki.Request{Server: true}, pki.Request{Client: true}, x509.NewCertPool()
	own, system := config.TLS{CAFile: "ca.pem"}, config.TLS{}
	for _, tt := range []struct {
		err  error
		c    config.TLS
		at   time.Time
		want string
	}{
		{verify(server, now.Add(2*time.Hour), roots, "a.example.org"), own, now.Add(2 * time.Hour), `the certificate of "server" ended at `},
		{verify(server, now.Add(-time.Hour), roots, "a.example.org"), own, now.Add(-time.Hour), "is the clock of this machine correct?"},
		{verify(server, now, roots, "b.example.org"), own, now, "must be a name of the certificate: a.example.org"},
		{verify(client, now, roots, "a.example.org"), own, now, `the certificate of "server" is not for servers`},
		{verify(server, now, none, "a.example.org"), own, now, `nats.tls.ca_file must have the CA that has signed the certificate of nats-server: "test CA"`},
		{verify(server, now, none, "a.example.org"), system, now, "name the CA of nats-server with nats.tls.ca_file"},
		{nats.ErrSecureConnWanted, own, now, "nats-server has no tls block"},
		{fmt.Errorf("%w: %w", nats.ErrTLS, &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}), own, now, "nats.tls.cert_file"},
		{fmt.Errorf("%w: EOF", nats.ErrTLS), own, now, "the log of nats-server says why"},
	} {
		if hint := natsconn.TLSHint(tt.err, &tt.c, tt.at); !strings.Contains(hint, tt.want) {
			t.Errorf("%v:\ngot %q, want %q", tt.err, hint, tt.want)
		}
	}
	for _, err := range []error{nats.ErrAuthorization, nats.ErrNoServers, errors.New("any")} {
		if hint := natsconn.TLSHint(err, &own, now); hint != "" {
			t.Errorf("%v: %s", err, hint)
		}
	}
}
