package x509

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"usher/identity"
	"usher/internal/dn"
)

// nameOf sets the name that the certificate is known by, or its fault.
func (v *Verifier) nameOf(c *certificate) {
	leaf := c.chain[0]
	switch v.cfg.Identity {
	case BySubject:
		if c.subject == "" {
			c.faulty(CodeUnknownSubject, "the certificate has no subject")
		}
	case ByCN:
		c.commonName(leaf.Subject.Names)
	case BySPIFFE:
		v.spiffeID(c, leaf.URIs)
	case ByDNS:
		v.one(c, "DNS name", leaf.DNSNames)
		c.name = strings.ToLower(c.name)
	case ByEmail:
		v.one(c, "email address", leaf.EmailAddresses)
	case ByURI:
		v.one(c, "URI", texts(leaf.URIs))
	}
}

// one takes the only name of its kind. The subject does not count: a CA may leave it to
// the client.
func (v *Verifier) one(c *certificate, kind string, names []string) {
	switch {
	case len(names) == 0:
		c.faulty(CodeSAN, "the certificate has no "+kind+" as subject alternative name")
	case len(names) > 1 && !v.cfg.Several:
		c.faulty(CodeSAN, fmt.Sprintf("the certificate has %d subject alternative names that are a %s", len(names), kind))
	case !plain(names[0]):
		c.faulty(CodeSAN, "the "+kind+" is empty, or has a wildcard, a space or a control character")
	default:
		c.name = names[0]
	}
}

// plain: a wildcard names many principals, and none of them.
func plain(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '*' || r == 0x7f || r == '\uFFFD' })
}

// spiffeID takes the SPIFFE ID of an X.509-SVID, which has one URI and a path (X509-SVID
// sections 2 and 4.1).
func (v *Verifier) spiffeID(c *certificate, uris []*url.URL) {
	if len(uris) != 1 {
		c.faulty(CodeSAN, fmt.Sprintf("the certificate has %d URIs; a SPIFFE certificate has exactly one", len(uris)))
		return
	}
	id, err := spiffeid.FromURI(uris[0])
	switch {
	case err != nil:
		c.faulty(CodeSAN, "the URI is not a SPIFFE ID: "+err.Error())
	case id.Path() == "":
		c.faulty(CodeSAN, "the SPIFFE ID is that of a trust domain, and not of a workload")
	case !v.domains[id.TrustDomain()]:
		c.faulty(CodeTrustDomain, "the trust domain "+id.TrustDomain().Name()+" is not accepted")
	default:
		c.name = id.String()
	}
}

func texts(uris []*url.URL) []string {
	all := make([]string, len(uris))
	for i, u := range uris {
		all[i] = u.String()
	}
	return all
}

// facts returns what the rules of identities may use. They hold whatever the
// configuration says about names: a rule has to say which one it means.
func facts(leaf *x509.Certificate, subject, fingerprint string) identity.Attributes {
	f := map[string]any{
		"subject":             subject,
		"common_name":         leaf.Subject.CommonName,
		"organization":        list(leaf.Subject.Organization),
		"organizational_unit": list(leaf.Subject.OrganizationalUnit),
		"dns":                 list(leaf.DNSNames),
		"emails":              list(leaf.EmailAddresses),
		"uris":                list(texts(leaf.URIs)),
		"issuer":              dn.Of(&leaf.Issuer),
		"serial":              leaf.SerialNumber.Text(16),
		"fingerprint":         fingerprint,
		"not_after":           float64(leaf.NotAfter.Unix()),
	}
	if len(leaf.URIs) == 1 {
		if id, err := spiffeid.FromURI(leaf.URIs[0]); err == nil {
			f["spiffe_id"], f["trust_domain"] = id.String(), id.TrustDomain().Name()
		}
	}
	return identity.Attributes{"certificate": f}
}

func list(texts []string) []any {
	all := make([]any, len(texts))
	for i, t := range texts {
		all[i] = t
	}
	return all
}
