package authx509

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"time"

	"usher/api/apierror"
	"usher/directory"
	"usher/internal/dn"
	"usher/tokens/x509/revocation"
)

// client is what the verified certificate of a client says.
type client struct {
	subject string    // in AMS's normal form
	serial  string    // hexadecimal
	ends    time.Time // earliest end of the chain
	digest  directory.Digest
}

// The messages of AMS, and one for what AMS does not let into the handler.
const (
	msgExpired   = "Your certificate has expired"
	msgNotActive = "Your certificate is not active yet"
	msgRevoked   = "Your certificate has been revoked"
	msgUntrusted = "Your certificate is not accepted"
)

// verify verifies the certificates that a client presented, its own first. Its errors are
// those of package apierror.
func (h *handlers) verify(ctx context.Context, presented []*x509.Certificate, now time.Time) (*client, error) {
	if len(presented) == 0 {
		return nil, apierror.NoCertificate()
	}
	leaf := presented[0]
	chain, err := h.chainOf(presented, now)
	switch {
	case err != nil:
		return nil, apierror.CertificateRefused(msgUntrusted).WithCause(err)
	case leaf.IsCA:
		return nil, apierror.CertificateRefused(msgUntrusted).WithCause(errors.New("the certificate is that of a CA"))
	case now.Before(leaf.NotBefore):
		return nil, apierror.CertificateRefused(msgNotActive)
	case !now.Before(leaf.NotAfter):
		return nil, apierror.CertificateRefused(msgExpired)
	}
	switch err := h.cfg.Revocation.Check(ctx, chain); {
	case errors.Is(err, revocation.ErrRevoked):
		return nil, apierror.CertificateRefused(msgRevoked).WithCause(err)
	case errors.Is(err, revocation.ErrUnknown):
		return nil, apierror.CertificateRefused(msgUntrusted).WithCause(err)
	case err != nil:
		return nil, apierror.RevocationUnknown(err)
	}
	c := &client{subject: dn.Of(&leaf.Subject), serial: leaf.SerialNumber.Text(16), ends: leaf.NotAfter, digest: sha256.Sum256(leaf.Raw)}
	for _, cert := range chain {
		if cert.NotAfter.Before(c.ends) {
			c.ends = cert.NotAfter
		}
	}
	return c, nil
}

// chainOf returns the chain from the client's certificate to a configured CA. If the
// certificate is not valid now, the chain is that of the time when it was or will be, so
// that its owner, and nobody else, learns that it has expired.
func (h *handlers) chainOf(presented []*x509.Certificate, now time.Time) ([]*x509.Certificate, error) {
	leaf, at := presented[0], now
	switch {
	case now.Before(leaf.NotBefore):
		at = leaf.NotBefore
	case now.After(leaf.NotAfter):
		at = leaf.NotAfter
	}
	intermediates := x509.NewCertPool()
	for _, c := range presented[1:] {
		intermediates.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: h.cfg.Roots, Intermediates: intermediates, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, err
	}
	return chains[0], nil
}
