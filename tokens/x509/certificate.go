package x509

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	"usher/identity"
	"usher/internal/dn"
)

// Codes of the rejections, as docs/reference/errors.md lists them.
const (
	CodeMalformed      = "x509_malformed"
	CodeIssuer         = "x509_issuer"
	CodeCA             = "x509_ca"
	CodeUsage          = "x509_usage"
	CodeNotYetValid    = "x509_not_yet_valid"
	CodeExpired        = "x509_expired"
	CodeSAN            = "x509_san"
	CodeCN             = "x509_cn"
	CodeTrustDomain    = "x509_trust_domain"
	CodeUnknownSubject = "x509_unknown_subject"
	CodeRevoked        = "x509_revoked"
	CodeNotChecked     = "x509_not_checked"
	CodeDisagrees      = "x509_disagrees"
	CodeBesideToken    = "x509_beside_token"
)

// Bounds of what is parsed. A certificate with many names has less than 10 KiB.
const (
	maxChains = 16
	maxLength = 10 // of a chain
	maxPEM    = 64 << 10
)

const pemType = "CERTIFICATE"

// certificate is a verified chain, and what does not change about it.
type certificate struct {
	chain     []*x509.Certificate // from the client's to the root
	notBefore time.Time           // latest of the chain
	notAfter  time.Time           // earliest of the chain
	subject   string              // in AMS's normal form
	name      string              // the identity; empty with BySubject
	code      string              // of what is wrong whatever the time; empty: nothing
	cause     string
	facts     identity.Attributes
	keyID     string
}

// faulty returns c with a fault, if it has none yet.
func (c *certificate) faulty(code, cause string) *certificate {
	if c.code == "" {
		c.code, c.cause = code, cause
	}
	return c
}

// read reads the chain of a client: the first that a configured CA vouches for.
func (v *Verifier) read(chains [][]string) *certificate {
	if len(chains) > maxChains {
		return (&certificate{}).faulty(CodeMalformed, fmt.Sprintf("more than %d chains", maxChains))
	}
	var first *certificate
	for _, texts := range chains {
		c := v.readChain(texts)
		if c.code == "" {
			return c
		}
		if first == nil {
			first = c
		}
	}
	return first
}

func (v *Verifier) readChain(texts []string) *certificate {
	c := &certificate{}
	if len(texts) == 0 || len(texts) > maxLength {
		return c.faulty(CodeMalformed, fmt.Sprintf("expected a chain of 1 to %d certificates", maxLength))
	}
	for _, text := range texts {
		parsed, err := parse(text)
		if err != nil {
			return (&certificate{}).faulty(CodeMalformed, err.Error())
		}
		c.chain = append(c.chain, parsed)
		if len(c.chain) == 1 || parsed.NotBefore.After(c.notBefore) {
			c.notBefore = parsed.NotBefore
		}
		if len(c.chain) == 1 || parsed.NotAfter.Before(c.notAfter) {
			c.notAfter = parsed.NotAfter
		}
	}
	leaf := c.chain[0]
	c.subject = dn.Of(&leaf.Subject)
	sum := sha256.Sum256(leaf.Raw)
	c.keyID = hex.EncodeToString(sum[:6])
	c.facts = facts(leaf, c.subject, hex.EncodeToString(sum[:]))
	switch {
	case leaf.IsCA:
		return c.faulty(CodeCA, "the certificate is that of a CA")
	case !forClients(leaf):
		return c.faulty(CodeUsage, "the extended key usage does not include client authentication")
	case len(v.cfg.CAs) > 0 && !slices.ContainsFunc(c.chain[1:], v.vouches):
		return c.faulty(CodeIssuer, "no CA of credentials.x509.ca_file is in the chain")
	}
	v.nameOf(c)
	return c
}

// parse reads the PEM text of one certificate, as nats-server writes it.
func parse(text string) (*x509.Certificate, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("a certificate of more than %d bytes", maxPEM)
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != pemType || len(block.Headers) > 0 || len(rest) > 0 {
		return nil, fmt.Errorf("expected one certificate in PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("unreadable certificate: %w", err)
	}
	return c, nil
}

// forClients: without the extension, a certificate is for every use (RFC 5280 section
// 4.2.1.12).
func forClients(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

func (v *Verifier) vouches(c *x509.Certificate) bool { return slices.ContainsFunc(v.cfg.CAs, c.Equal) }
