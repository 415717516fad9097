package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Request describes a certificate.
type Request struct {
	CN       string
	DNS      []string // subject alternative names
	IPs      []net.IP
	Server   bool          // it is for a server
	Client   bool          // it is for a client
	Lifetime time.Duration // 0: CertificateLifetime, or what is left of the CA's
	Now      time.Time
}

// Errors of a Request.
var (
	ErrName = errors.New("not a common name for a certificate")
	ErrSAN  = errors.New("not a subject alternative name")
	ErrUse  = errors.New("say whether it is for a server, a client or both")
)

// maxCN is the length of a common name (RFC 5280, ub-common-name).
const maxCN = 64

func checkCN(cn string) error {
	switch {
	case cn == "":
		return fmt.Errorf("%q: %w: it is empty", cn, ErrName)
	case len(cn) > maxCN:
		return fmt.Errorf("%q: %w: it has more than %d characters", cn, ErrName, maxCN)
	case strings.ContainsFunc(cn, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("%q: %w: it has characters other than printable ASCII", cn, ErrName)
	}
	return nil
}

// check reports what is wrong with the request.
func (r *Request) check() error {
	if err := checkCN(r.CN); err != nil {
		return err
	}
	for _, name := range r.DNS {
		if err := checkDNS(name); err != nil {
			return err
		}
	}
	for _, ip := range r.IPs {
		if ip.To16() == nil || ip.IsUnspecified() {
			return fmt.Errorf("%s: %w: it is no address that a client connects to", ip, ErrSAN)
		}
	}
	switch {
	case !r.Server && !r.Client:
		return fmt.Errorf("certificate %s: %w", r.CN, ErrUse)
	case r.Server && len(r.DNS)+len(r.IPs) == 0:
		return fmt.Errorf("certificate %s: %w: a server needs at least one, because clients do not look at the common name", r.CN, ErrSAN)
	}
	return nil
}

// checkDNS accepts host names, with a wildcard as the first label or without. Underscores are
// no part of host names (RFC 1123), but containers and services have them, and crypto/x509
// accepts them.
func checkDNS(name string) error {
	labels := strings.Split(strings.TrimPrefix(name, "*."), ".")
	problem := ""
	switch {
	case name == "":
		problem = "it is empty"
	case net.ParseIP(name) != nil:
		problem = "it is an IP address, not a DNS name"
	case strings.Contains(name, ":"):
		problem = "write the host alone, without scheme and port"
	case strings.ContainsFunc(name, func(r rune) bool { return r > '~' }):
		problem = "write it in ASCII, as xn--…"
	case len(name) > 253, slices.ContainsFunc(labels, func(l string) bool { return !isLabel(l) }):
		problem = "it is not a DNS name"
	case strings.Trim(labels[len(labels)-1], "0123456789") == "": // no top-level domain is a number
		problem = "it is neither a DNS name nor an IP address"
	}
	if problem == "" {
		return nil
	}
	return fmt.Errorf("%q: %w: %s", name, ErrSAN, problem)
}

func isLabel(text string) bool {
	return text != "" && len(text) <= 63 && strings.Trim(text, "-") == text && !strings.ContainsFunc(text, func(r rune) bool { return r != '-' && !isWordRune(r) })
}

// isWordRune accepts letters and digits in ASCII, and underscores.
func isWordRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
}

// SetSANs sets DNS and IPs from texts that are one or the other.
func (r *Request) SetSANs(names []string) error {
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			r.IPs = append(r.IPs, ip)
			continue
		}
		if err := checkDNS(name); err != nil {
			return err
		}
		r.DNS = append(r.DNS, name)
	}
	return nil
}

func (r *Request) template() *x509.Certificate {
	lifetime := r.Lifetime
	if lifetime == 0 {
		lifetime = CertificateLifetime
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: r.CN},
		NotBefore: r.Now.Add(-backdate), NotAfter: r.Now.Add(lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature,
		DNSNames: r.DNS, IPAddresses: r.IPs,
		BasicConstraintsValid: true,
	}
	if r.Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if r.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	return template
}

// ErrForeign: a certificate has what Request cannot describe, or is of another CA.
var ErrForeign = errors.New("was not made here")

// requestOf returns the request for a certificate like this one: the same names, use and
// lifetime.
func requestOf(cert *x509.Certificate, now time.Time) (*Request, error) {
	r := &Request{
		CN: cert.Subject.CommonName, DNS: cert.DNSNames, IPs: cert.IPAddresses,
		Server:   slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth),
		Client:   slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth),
		Lifetime: cert.NotAfter.Sub(cert.NotBefore), Now: now,
	}
	if r.Lifetime > backdate {
		r.Lifetime -= backdate
	}
	uses := len(cert.ExtKeyUsage) + len(cert.UnknownExtKeyUsage)
	if r.Server {
		uses--
	}
	if r.Client {
		uses--
	}
	if len(cert.Subject.Names) != 1 || len(cert.EmailAddresses)+len(cert.URIs) > 0 || uses > 0 || cert.IsCA {
		return nil, fmt.Errorf("certificate %s: %w: it has names or uses besides a common name, DNS names and addresses, server and client", r.CN, ErrForeign)
	}
	return r, nil
}
