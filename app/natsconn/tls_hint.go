package natsconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"usher/app/config"

	"github.com/nats-io/nats.go"
)

// TLSHint says how to mend a connection that TLS has ended. It returns "" for any other
// error. The error itself names the cause; the hint names the certificate, and the part of
// the configuration.
func TLSHint(err error, c *config.TLS, now time.Time) string { return tlsHint(err, "nats", c, now) }

// tlsHint is TLSHint for the connection of a section of the configuration.
func tlsHint(err error, at string, c *config.TLS, now time.Time) string {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var header tls.RecordHeaderError
	var remote *net.OpError
	switch {
	case errors.As(err, &name):
		return at + ".tls.server_name, or the host in " + at + ".urls without it, must be a name of the certificate: " + namesOf(name.Certificate)
	case errors.As(err, &unknown):
		if c.CAFile == "" {
			return "name the CA of nats-server with " + at + ".tls.ca_file; this machine does not trust it" + issuerOf(unknown.Cert)
		}
		return at + ".tls.ca_file must have the CA that has signed the certificate of nats-server" + issuerOf(unknown.Cert)
	case errors.As(err, &invalid):
		return invalidHint(&invalid, now)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "nats-server has no tls block, and " + at + ".tls asks for TLS"
	case errors.As(err, &header):
		return at + ".tls.handshake_first must be what handshake_first in the tls block of nats-server is"
	case errors.As(err, &remote) && remote.Op == alert, errors.Is(err, nats.ErrTLS):
		return remoteHint(remote, at, c, now)
	default:
		return ""
	}
}

// alert is the operation of an alert of TLS; crypto/tls has no type for it.
const alert = "remote error"

// remoteHint is about a handshake that nats-server has ended. It says so with an alert, which
// can be lost on the way.
func remoteHint(remote *net.OpError, at string, c *config.TLS, now time.Time) string {
	if pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile); err == nil && now.After(pair.Leaf.NotAfter) {
		return fmt.Sprintf("the certificate of %s.tls.cert_file ended at %s: renew it", at, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if remote == nil || remote.Op != alert {
		return "the TLS handshake with nats-server failed: the log of nats-server says why"
	}
	return "nats-server ended the handshake: its log says why; a server with verify: true needs " + at + ".tls.cert_file and key_file with a certificate that it trusts"
}

// invalidHint is about a certificate that crypto/x509 finds invalid: that of nats-server,
// or that of its CA.
func invalidHint(e *x509.CertificateInvalidError, now time.Time) string {
	who := fmt.Sprintf("the certificate of %q", e.Cert.Subject.CommonName)
	switch {
	case e.Reason == x509.Expired && now.Before(e.Cert.NotBefore):
		return who + " begins at " + e.Cert.NotBefore.UTC().Format(time.RFC3339) + ": is the clock of this machine correct?"
	case e.Reason == x509.Expired:
		return who + " ended at " + e.Cert.NotAfter.UTC().Format(time.RFC3339) + ": renew it, and let nats-server read it (nats-server --signal reload)"
	case e.Reason == x509.IncompatibleUsage:
		return who + " is not for servers: issue one that is"
	default:
		return who + " cannot be used: issue another one"
	}
}

func namesOf(cert *x509.Certificate) string {
	names := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "it has none, so issue it with subject alternative names"
	}
	return strings.Join(names, ", ")
}

func issuerOf(cert *x509.Certificate) string {
	if cert == nil || cert.Issuer.CommonName == "" {
		return ""
	}
	return fmt.Sprintf(": %q", cert.Issuer.CommonName)
}
