package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"time"
)

// Errors of an address that the rules refuse, and of an answer that is too large.
var (
	ErrURL     = errors.New("not an address such as https://host/path without user and password")
	ErrScheme  = errors.New("the scheme is not allowed")
	ErrPort    = errors.New("the port is not allowed")
	ErrAddress = errors.New("the host has no address, or none that is allowed")
	ErrBody    = errors.New("the answer is too large")
)

// Errors of a certificate, as a receiver with TLS presents it. The first two go on with the
// time.
var (
	ErrExpired     = errors.New("its certificate has expired")
	ErrNotYetValid = errors.New("its certificate is not valid yet")
	ErrAuthority   = errors.New("its certificate is not signed by an authority that is trusted")
	ErrName        = errors.New("its certificate is for another name")
	ErrCertificate = errors.New("its certificate is not valid")
)

// Error is why a request failed. Its text names the host and nothing else of the address, and
// no IP address that the host has. Its cause may tell more.
type Error struct {
	Host string // without the port; empty: the address has none
	Err  error
}

func (e *Error) Error() string {
	if e.Host == "" {
		return e.reason()
	}
	return e.Host + ": " + e.reason()
}

func (e *Error) Unwrap() error { return e.Err }

// Refused reports whether the rules refuse the address or the name has none, so that another
// attempt is of no use until the rules or the addresses of the name change. The two are not
// told apart: whoever may choose addresses must not learn the names inside the network.
func (e *Error) Refused() bool {
	var dns *net.DNSError
	if errors.As(e.Err, &dns) && dns.IsNotFound {
		return true
	}
	return errors.Is(e.Err, ErrURL) || errors.Is(e.Err, ErrScheme) || errors.Is(e.Err, ErrPort) || errors.Is(e.Err, ErrAddress)
}

func (e *Error) reason() string {
	for _, own := range []error{ErrURL, ErrScheme, ErrPort, ErrAddress, ErrBody} {
		if errors.Is(e.Err, own) {
			return own.Error()
		}
	}
	var (
		dns         *net.DNSError
		network     net.Error
		certificate *tls.CertificateVerificationError
		alert       tls.AlertError
		record      tls.RecordHeaderError
		hostname    x509.HostnameError
		authority   x509.UnknownAuthorityError
		invalid     x509.CertificateInvalidError
	)
	switch {
	case errors.Is(e.Err, context.Canceled):
		return "the request was canceled"
	case errors.As(e.Err, &dns) && dns.IsNotFound: // not told apart from a name inside the network
		return ErrAddress.Error()
	case errors.As(e.Err, &dns):
		return "the name could not be resolved"
	case errors.Is(e.Err, os.ErrDeadlineExceeded), errors.Is(e.Err, context.DeadlineExceeded), errors.As(e.Err, &network) && network.Timeout():
		return "no answer in time"
	case errors.As(e.Err, &authority):
		return ErrAuthority.Error()
	case errors.As(e.Err, &hostname):
		return ErrName.Error()
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return outOfDate(invalid.Cert)
	case errors.As(e.Err, &certificate):
		return ErrCertificate.Error()
	case errors.As(e.Err, &record), errors.As(e.Err, &alert):
		return "the TLS handshake failed"
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(e.Err, io.EOF), errors.Is(e.Err, io.ErrUnexpectedEOF), errors.Is(e.Err, syscall.ECONNRESET), errors.Is(e.Err, syscall.EPIPE):
		return "the connection was cut"
	default:
		return "the request failed"
	}
}

// outOfDate is the reason for a certificate that does not hold now.
func outOfDate(c *x509.Certificate) string {
	if time.Now().Before(c.NotBefore) { //nolint:forbidigo // crypto/tls has compared with this clock
		return ErrNotYetValid.Error() + ": only from " + c.NotBefore.UTC().Format(time.RFC3339)
	}
	return ErrExpired.Error() + ": on " + c.NotAfter.UTC().Format(time.RFC3339)
}

func hostOf(u *url.URL) string { return u.Hostname() }

// body is the body of an answer.
type body struct {
	io.ReadCloser

	ctx  context.Context //nolint:containedctx // of the request
	left int64
	host string
}

func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, &Error{b.host, ErrBody}
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n + int(b.left), &Error{b.host, ErrBody}
	}
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF && b.ctx.Err() != nil: // it may have ended because the request was given up
		return n, &Error{b.host, b.ctx.Err()}
	case err == io.EOF:
		return n, io.EOF
	default:
		return n, &Error{b.host, err}
	}
}
