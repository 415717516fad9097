package gateway

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/app/checkup/finding"
	"usher/internal/fault"
)

// A certificate that ends within renewalPeriod, or within the last tenth of its life if
// that is shorter, gets a warning.
const renewalPeriod = 30 * 24 * time.Hour

// expectation is what a certificate has to be.
type expectation struct {
	name   string             // that it must hold for; empty: any
	roots  *x509.CertPool     // of the other side; nil: those of the system
	trusts string             // what roots is from, in words
	usages []x509.ExtKeyUsage // each of them
	noIPs  bool               // an IP address in it is a trap
}

// judge appends what is wrong with a certificate, which is the first of the chain, and
// reports whether nothing is.
func judge(f *finding.List, check, where string, chain []*x509.Certificate, want *expectation, now time.Time) bool {
	before := len(*f)
	leaf := chain[0]
	inTime(f, check, where, "replace it, and reload the server", leaf, now)
	if want.name != "" && leaf.VerifyHostname(want.name) != nil {
		f.Fail(fault.Config, check, where, "issue it with the DNS name "+want.name+", or correct the name that is expected",
			"%s does not hold for %s, but for %s: those that connect to it refuse it; so do servers with verify_cert_and_check_known_urls that it connects to", describe(leaf), want.name, names(leaf))
	}
	want.chain(f, check, where, chain, now)
	for _, usage := range want.usages {
		if !allows(leaf, usage) {
			f.Fail(fault.Config, check, where, "issue it with the extended key usages serverAuth and clientAuth: a gateway is server and client",
				"%s is not for %s: %s", describe(leaf), usageNames[usage].name, usageNames[usage].effect)
		}
	}
	if want.noIPs && len(leaf.IPAddresses) > 0 {
		f.Warn(check, where, "issue it without IP addresses",
			"%s holds for the address %v: nats-server accepts an address of a URL where a name does not match, so whoever has a certificate with it can stand in", describe(leaf), leaf.IPAddresses[0])
	}
	return len(*f) == before
}

// inTime appends whether a certificate has ended, or ends soon.
func inTime(f *finding.List, check, where, renew string, leaf *x509.Certificate, now time.Time) {
	switch {
	case now.After(leaf.NotAfter):
		f.Fail(fault.Config, check, where, renew, "%s has ended at %s", describe(leaf), date(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		f.Fail(fault.Config, check, where, "is the clock of this machine correct?", "%s begins at %s", describe(leaf), date(leaf.NotBefore))
	case ending(leaf, now):
		f.Warn(check, where, renew, "%s ends at %s", describe(leaf), date(leaf.NotAfter))
	}
}

// chain checks who issued the certificate. It looks at a certificate out of its time as if
// it were in it, which is another finding.
func (want *expectation) chain(f *finding.List, check, where string, chain []*x509.Certificate, now time.Time) {
	leaf, between := chain[0], x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	at := now
	if at.After(leaf.NotAfter) {
		at = leaf.NotAfter
	}
	if at.Before(leaf.NotBefore) {
		at = leaf.NotBefore
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: want.roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		f.Fail(fault.Config, check, where, "make a new CA, and certificates of it", "a CA of %s has ended or not begun: %v", describe(leaf), err)
	case err != nil:
		f.Fail(fault.Config, check, where, "issue it by a CA that the other side trusts, or add its CA there",
			"%s is of another CA than those of %s: %v", describe(leaf), want.trusts, err)
	default:
		for _, ca := range chains[0][1:] {
			if !now.After(ca.NotAfter) && ending(ca, now) {
				f.Warn(check, where, "make a new CA, and let both sides trust it before certificates of it are used", "its CA %q ends at %s", ca.Subject.CommonName, date(ca.NotAfter))
			}
		}
	}
}

// ending reports whether a certificate should be renewed.
func ending(c *x509.Certificate, now time.Time) bool {
	return c.NotAfter.Sub(now) < min(renewalPeriod, c.NotAfter.Sub(c.NotBefore)/10)
}

// usageNames has what a certificate is for, and what happens without it.
//
//nolint:gochecknoglobals // a constant table
var usageNames = map[x509.ExtKeyUsage]struct{ name, effect string }{
	x509.ExtKeyUsageServerAuth: {"servers (serverAuth)", "those that connect to it refuse it"},
	x509.ExtKeyUsageClientAuth: {"clients (clientAuth)", "those that it connects to refuse it"},
}

func allows(c *x509.Certificate, usage x509.ExtKeyUsage) bool {
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.Contains(c.ExtKeyUsage, usage) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// describe names a certificate and its issuer. Names are quoted: they are from the peer.
func describe(c *x509.Certificate) string {
	return fmt.Sprintf("certificate %q of %q", c.Subject.CommonName, c.Issuer.CommonName)
}

// names lists what a certificate holds for.
func names(c *x509.Certificate) string {
	const most = 10
	var all []string
	for _, n := range c.DNSNames {
		all = append(all, fmt.Sprintf("%q", n))
	}
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	switch {
	case len(all) == 0:
		return "no name"
	case len(all) > most:
		all = append(all[:most], "…")
	}
	return strings.Join(all, ", ")
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }
