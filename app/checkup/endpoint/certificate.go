package endpoint

import (
	"crypto/x509"
	"errors"
	"time"

	"usher/api/listener"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/internal/fault"
	"usher/internal/ownedfile"
)

// renewalPeriod is how long before the expiry of a certificate the warnings begin.
const renewalPeriod = 14 * 24 * time.Hour

// certificateCheck checks certificates in files.
type certificateCheck struct {
	*finding.List
	now func() time.Time
}

// listener checks the certificate of a listener or of a client, which a section of the
// configuration names, and returns it; nil: it cannot be loaded.
func (c *certificateCheck) listener(check, section string, files *config.APITLS, allowGroup bool) *x509.Certificate {
	pair, err := (&listener.Certificate{CertFile: files.CertFile, KeyFile: files.KeyFile, AllowGroup: allowGroup}).Load()
	switch {
	case errors.Is(err, ownedfile.ErrReadable), errors.Is(err, ownedfile.ErrUntrusted):
		var owned *ownedfile.Error
		errors.As(err, &owned)
		c.Fail(fault.Config, check, owned.Path, owned.Fix, "%v", err)
		return nil
	case err != nil:
		c.Fail(fault.Config, check, files.CertFile, section+" takes a certificate and its private key as PEM files", "%v", err)
		return nil
	}
	c.validity(check, files.CertFile, pair.Leaf, "replace it; a running usher loads the new one")
	return pair.Leaf
}

// validity checks the time of the certificate in a file. hint says how to replace it.
func (c *certificateCheck) validity(check, file string, cert *x509.Certificate, hint string) {
	ends := cert.NotAfter.UTC().Format(time.RFC3339)
	switch now := c.now(); {
	case now.After(cert.NotAfter):
		c.Fail(fault.Config, check, file, hint, "ended at %s", ends)
	case now.Before(cert.NotBefore):
		c.Fail(fault.Config, check, file, "is the clock of this machine correct?", "begins at %s", cert.NotBefore.UTC().Format(time.RFC3339))
	case cert.NotAfter.Sub(now) < renewalPeriod:
		c.Warn(check, file, hint, "ends at %s", ends)
	default:
		c.OK(check, file, "good until %s", ends)
	}
}
