package x509

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"usher/directory/snapshot"
	"usher/tokens/x509/revocation"
)

// By says which part of a certificate is the identity.
type By string

// The parts.
const (
	ByDNS     By = "dns"     // the DNS name
	ByEmail   By = "email"   // the email address
	ByURI     By = "uri"     // the URI
	BySPIFFE  By = "spiffe"  // the URI, which is a SPIFFE ID
	ByCN      By = "cn"      // the common name of the subject
	BySubject By = "subject" // the subject, which is that of a key of a directory user
)

// WithToken says what becomes of a client that presents a token, a password or a
// signature besides its certificate.
type WithToken string

// What becomes of it.
const (
	WithTokenIgnore WithToken = "ignore" // the certificate does not count
	WithTokenAgree  WithToken = "agree"  // both must be of the same user or identity
	WithTokenAlone  WithToken = "alone"  // it is rejected
)

// Config configures a Verifier. Name, Identity and Now are required.
type Config struct {
	Name         string // of the authority of identities; users of the directory have AuthorityDirectory
	Identity     By
	Several      bool                // accept a certificate with several names of the kind, and use the first; not for BySPIFFE
	TrustDomains []string            // BySPIFFE: the accepted ones
	CAs          []*x509.Certificate // one of them must be in the chain; empty: what nats-server trusts
	WithToken    WithToken           // default WithTokenIgnore
	// AgreeOn is the path of the fact of the other identity that must be equal to the one
	// of the certificate, such as claims.azp; empty: its name, or its id if it has none.
	AgreeOn    string
	Revocation *revocation.Checker       // nil: none
	Snapshot   func() *snapshot.Snapshot // fallback of tokens.Credential.Directory, for BySubject
	Now        func() time.Time
}

// ParseCertificates reads certificates in PEM, and nothing else.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for len(text) > 0 {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != pemType {
			return nil, fmt.Errorf("expected certificates, found %s", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("expected certificates in PEM")
	}
	return all, nil
}

func trustDomains(names []string) (map[spiffeid.TrustDomain]bool, error) {
	all := make(map[spiffeid.TrustDomain]bool, len(names))
	for _, n := range names {
		td, err := spiffeid.TrustDomainFromString(n)
		if err != nil {
			return nil, fmt.Errorf("trust domain %q: %w", n, err)
		}
		all[td] = true
	}
	return all, nil
}
