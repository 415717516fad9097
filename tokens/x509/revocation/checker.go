// Package revocation finds out whether the certificates of a verified chain have been
// revoked, from CRLs (RFC 5280) and from OCSP responders (RFC 6960).
//
// It promises that what it believes is signed by the CA of the certificate and in its
// validity period; that it asks only hosts that the configuration names, since the
// addresses are in the certificates; and that many certificates, slow hosts and large
// answers cost a bounded number of requests, bytes and entries. It never decides that a
// certificate is good because there is no answer, unless the configuration says so.
package revocation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"usher/tokens"
)

// Mode says what a Checker asks.
type Mode string

// The modes.
const (
	Off       Mode = "off"
	CRL       Mode = "crl"
	OCSP      Mode = "ocsp"
	CRLOrOCSP Mode = "crl_or_ocsp" // OCSP only if no CRL tells
)

// Unreachable says what becomes of a certificate if nothing tells whether it is revoked.
type Unreachable string

// What becomes of it.
const (
	Unavailable Unreachable = "unavailable" // it cannot be decided now
	Deny        Unreachable = "deny"
	Allow       Unreachable = "allow"
)

// Results of Check.
var (
	ErrRevoked = errors.New("the certificate has been revoked")
	ErrUnknown = errors.New("nothing tells whether the certificate has been revoked") // with Deny
)

// errWouldWait: the answer is not in the caches.
var errWouldWait = errors.New("would have to wait for a CRL or an OCSP responder")

// Config configures a Checker. Mode, Unreachable and Now are required.
type Config struct {
	Mode        Mode
	Unreachable Unreachable
	CRLFiles    []string      // PEM or DER
	Responder   string        // URL of the OCSP responder of all certificates; empty: each names its own
	Hosts       []string      // HOST or HOST:PORT that may be asked because a certificate names it
	Timeout     time.Duration // of one request; default 1 s
	MaxCRL      int64         // bytes; default 16 MiB
	Refresh     time.Duration // how often Run fetches an answer again; default 1 h
	Now         func() time.Time
	Log         *slog.Logger // default: none
}

// Checker checks chains. A nil Checker accepts every chain.
type Checker struct {
	cfg    Config
	files  crlFiles
	hosts  *fetcher
	crls   *cache[*crl]
	status *cache[status]
}

// New returns a Checker that has read the CRL files.
func New(cfg Config) (*Checker, error) { //nolint:gocritic // copied once
	if cfg.Timeout <= 0 {
		cfg.Timeout = time.Second
	}
	if cfg.MaxCRL <= 0 {
		cfg.MaxCRL = 16 << 20
	}
	if cfg.Refresh <= 0 {
		cfg.Refresh = time.Hour
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	hosts, err := newFetcher(&cfg)
	if err != nil {
		return nil, err
	}
	c := &Checker{cfg: cfg, hosts: hosts}
	c.files = crlFiles{paths: cfg.CRLFiles, max: cfg.MaxCRL, log: cfg.Log}
	if cfg.Mode == CRL || cfg.Mode == CRLOrOCSP {
		if err := c.files.load(); err != nil {
			return nil, err
		}
	}
	c.crls = newCache[*crl]("crl", maxCRLs, &cfg)
	c.status = newCache[status]("ocsp", maxStatuses, &cfg)
	return c, nil
}

// Sizes of the caches.
const (
	maxCRLs     = 32
	maxStatuses = 10_000
)

// Check returns nil if no certificate of a verified chain, from the client's up to that
// which the root issued, is known to be revoked. Otherwise it wraps ErrRevoked,
// ErrUnknown or tokens.ErrUnavailable.
//
// There must be an answer for the certificate of the client. Intermediate certificates
// are checked if a CRL file or an allowed host can tell about them.
func (c *Checker) Check(ctx context.Context, chain []*x509.Certificate) error {
	err := c.check(ctx, chain, true)
	switch {
	case err == nil, errors.Is(err, ErrRevoked):
		return err
	case errors.Is(err, errDoesNotKnow) && c.cfg.Unreachable == Allow: // there is an answer
		return fmt.Errorf("%w: %w", tokens.ErrUnavailable, err)
	case c.cfg.Unreachable == Allow:
		return nil
	case c.cfg.Unreachable == Deny && ctx.Err() == nil: // a lack of time says nothing about the certificate
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	default:
		return fmt.Errorf("%w: %w", tokens.ErrUnavailable, err)
	}
}

// Waits reports whether Check may have to wait for another system.
func (c *Checker) Waits(chain []*x509.Certificate) bool {
	return errors.Is(c.check(context.Background(), chain, false), errWouldWait)
}

func (c *Checker) check(ctx context.Context, chain []*x509.Certificate, wait bool) error {
	if c == nil || c.cfg.Mode == Off {
		return nil
	}
	if len(chain) < 2 {
		return errors.New("the certificate is its own CA, so nothing can revoke it")
	}
	for i := range len(chain) - 1 {
		err := c.checkOne(ctx, chain[i], chain[i+1], wait)
		if err != nil && (i == 0 || !errors.Is(err, errNoSource)) {
			return err
		}
	}
	return nil
}

// errNoSource: neither a file nor an allowed host tells about the certificate.
var errNoSource = errors.New("no CRL file covers the certificate, and it names no host that may be asked")

// checkOne asks about one certificate. An answer of one source is enough.
func (c *Checker) checkOne(ctx context.Context, cert, issuer *x509.Certificate, wait bool) error {
	var problems []error
	for _, ask := range []struct {
		in    bool
		check func(context.Context, *x509.Certificate, *x509.Certificate, bool) error
	}{{c.cfg.Mode != OCSP, c.checkCRL}, {c.cfg.Mode != CRL, c.checkOCSP}} {
		if !ask.in {
			continue
		}
		err := ask.check(ctx, cert, issuer, wait)
		switch {
		case err == nil, errors.Is(err, ErrRevoked), errors.Is(err, errWouldWait):
			return err
		case !errors.Is(err, errNoSource):
			problems = append(problems, err)
		}
	}
	if len(problems) == 0 {
		return errNoSource
	}
	return errors.Join(problems...)
}

// Run fetches answers again before they are needed, and reads changed CRL files.
func (c *Checker) Run(ctx context.Context) {
	if c == nil || c.cfg.Mode == Off {
		return
	}
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.tick(ctx)
		}
	}
}

// tickEvery is how often Run looks for what is due.
const tickEvery = 30 * time.Second

func (c *Checker) tick(ctx context.Context) {
	c.files.reload()
	c.crls.refresh(ctx)
	c.status.refresh(ctx)
}

// Status adds the state of the hosts and caches to s.
func (c *Checker) Status(s *tokens.Status) {
	if c == nil || c.cfg.Mode == Off {
		return
	}
	s.Backends = append(s.Backends, c.hosts.status()...)
	s.Caches = append(s.Caches, c.crls.status(), c.status.status())
}
