package revocation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

// maxResponse is the size of the largest response of a responder that is read.
const maxResponse = 64 << 10

// Media types of RFC 6960 appendix A.
const (
	typeRequest  = "application/ocsp-request"
	typeResponse = "application/ocsp-response"
)

// status is what a responder says of a certificate.
type status struct {
	revoked bool
	unknown bool
	at      time.Time // of the revocation
}

// errDoesNotKnow: the CA's responder does not know the certificate.
var errDoesNotKnow = errors.New("the OCSP responder does not know the certificate")

func (s status) check() error {
	switch {
	case s.revoked:
		return fmt.Errorf("%w: at %s, says the OCSP responder", ErrRevoked, s.at.UTC().Format(time.RFC3339))
	case s.unknown:
		return errDoesNotKnow
	default:
		return nil
	}
}

// checkOCSP asks the configured responder, or those that the certificate names and that
// may be asked.
func (c *Checker) checkOCSP(ctx context.Context, cert, issuer *x509.Certificate, wait bool) error {
	responders := cert.OCSPServer
	if c.cfg.Responder != "" {
		responders = []string{c.cfg.Responder}
	}
	responders = slices.DeleteFunc(slices.Clone(responders), func(at string) bool { return !c.hosts.allows(at) })
	if len(responders) == 0 {
		return errNoSource
	}
	ca := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	s, err := c.status.get(ctx, string(ca[:])+string(cert.SerialNumber.Bytes()), wait, func(ctx context.Context) (status, time.Time, error) {
		var problem error
		for _, at := range responders {
			s, until, err := c.ask(ctx, at, cert, issuer)
			if err == nil {
				return s, until, nil
			}
			problem = fmt.Errorf("%s: %w", at, err)
		}
		return status{}, time.Time{}, problem
	})
	if err != nil {
		return err
	}
	return s.check()
}

// ask asks one responder. There is no nonce: an answer is used until its nextUpdate, so a
// fresh one would tell no more (RFC 5019).
func (c *Checker) ask(ctx context.Context, at string, cert, issuer *x509.Certificate) (status, time.Time, error) {
	question, err := ocsp.CreateRequest(cert, issuer, nil)
	if err != nil {
		return status{}, time.Time{}, err
	}
	raw, kind, err := c.hosts.do(ctx, http.MethodPost, at, typeRequest, question, maxResponse)
	if err != nil {
		return status{}, time.Time{}, err
	}
	if kind != typeResponse {
		return status{}, time.Time{}, errors.New("the answer is not an OCSP response")
	}
	r, err := ocsp.ParseResponseForCert(raw, cert, issuer)
	if err != nil {
		return status{}, time.Time{}, err
	}
	if err := valid(r, issuer, c.cfg.Now()); err != nil {
		return status{}, time.Time{}, err
	}
	return status{revoked: r.Status == ocsp.Revoked, unknown: r.Status == ocsp.Unknown, at: r.RevokedAt}, r.NextUpdate, nil
}

// valid checks what package ocsp does not: the time, and whether the responder may speak
// for the CA (RFC 6960 section 4.2.2.2).
func valid(r *ocsp.Response, issuer *x509.Certificate, now time.Time) error {
	switch d := r.Certificate; {
	case now.Add(skew).Before(r.ThisUpdate):
		return errors.New("the response is of the future")
	case r.NextUpdate.IsZero() || !now.Before(r.NextUpdate):
		return errors.New("the response has expired, or does not say until when it is good")
	case d == nil || d.Equal(issuer):
		return nil
	case !bytes.Equal(d.RawIssuer, issuer.RawSubject), !slices.Contains(d.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("the CA did not appoint the responder")
	case now.Before(d.NotBefore) || now.After(d.NotAfter):
		return errors.New("the certificate of the responder is not valid now")
	default:
		return nil
	}
}
