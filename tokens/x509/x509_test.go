package x509_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/internal/dn"
	"usher/tokens"
	"usher/tokens/conformance"
	tokenx509 "usher/tokens/x509"
	"usher/tokens/x509/revocation"
)

// amsExample is the example of AMS's normal form of subjects.
const amsExample = `E=x@y.z,SERIALNUMBER=77,CN=host/a.b,OU=u1+OU=u2,O=A\, Inc,L=Ath,C=GR,DC=gr+DC=grnet`

func amsName() pkix.Name {
	return pkix.Name{
		SerialNumber: "77", CommonName: "host/a.b", OrganizationalUnit: []string{"u1", "u2"},
		Organization: []string{"A, Inc"}, Locality: []string{"Ath"}, Country: []string{"GR"},
		ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "x@y.z"},
			{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "gr"},
			{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "grnet"},
		},
	}
}

func subjects(t *testing.T) *snapshot.Snapshot {
	t.Helper()
	key := func(subject string, change func(*directory.Key)) directory.Key {
		k := directory.Key{
			ID: "cert", Digest: directory.CertificateDigest(subject),
			Other: &directory.OtherKey{Kind: directory.KeyCertificate, DN: subject},
		}
		if change != nil {
			change(&k)
		}
		return k
	}
	s, err := snapshot.New(directory.Records{Users: []directory.User{
		{Name: "ams", Keys: []directory.Key{key(amsExample, nil)}},
		{Name: "pia", Keys: []directory.Key{key("CN=pia", nil)}},
		{Name: "off", Keys: []directory.Key{key("CN=off", func(k *directory.Key) { k.Disabled = true })}},
		{Name: "old", Keys: []directory.Key{key("CN=old", func(k *directory.Key) { k.Expires = time.Now().Add(-time.Hour) })}},
		{Name: "soon", Keys: []directory.Key{key("CN=soon", func(k *directory.Key) { k.Expires = time.Now().Add(time.Hour) })}},
		{Name: "net", Keys: []directory.Key{key("CN=net", func(k *directory.Key) {
			k.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		})}},
		{Name: "gone", Disabled: true, Keys: []directory.Key{key("CN=gone", nil)}},
		{Name: "bound", Keys: []directory.Key{{
			ID: "b", Digest: directory.BindingDigest("CN=bound", "ams", "h"),
			Other: &directory.OtherKey{Kind: directory.KeyBinding, DN: "CN=bound", ServiceType: "ams", Host: "h"},
		}}},
	}})
	callouttest.Must(t, err)
	return s
}

func verifier(t *testing.T, by tokenx509.By, change func(*tokenx509.Config)) *tokenx509.Verifier {
	t.Helper()
	s := subjects(t)
	cfg := tokenx509.Config{
		Name: "machines", Identity: by, TrustDomains: []string{"example.org"}, Now: time.Now,
		Snapshot: func() *snapshot.Snapshot { return s },
	}
	if change != nil {
		change(&cfg)
	}
	v, err := tokenx509.NewVerifier(cfg)
	callouttest.Must(t, err)
	return v
}

func presented(c *callouttest.Certificate) tokens.Credential {
	return tokens.Credential{VerifiedChains: [][]string{c.PEM()}}
}

func uris(t *testing.T, texts ...string) []*url.URL {
	t.Helper()
	var all []*url.URL
	for _, text := range texts {
		u, err := url.Parse(text)
		callouttest.Must(t, err)
		all = append(all, u)
	}
	return all
}

// Each certificate has one fault at most, whose code it is rejected with.
func TestFaults(t *testing.T) {
	ca := callouttest.NewCA(t)
	issue := func(change func(*x509.Certificate)) tokens.Credential { return presented(ca.Certificate(t, change)) }
	subject := func(n pkix.Name) tokens.Credential { return issue(func(c *x509.Certificate) { c.Subject = n }) }
	named := func(names ...string) tokens.Credential {
		return issue(func(c *x509.Certificate) { c.DNSNames = names })
	}
	withURIs := func(texts ...string) tokens.Credential {
		return issue(func(c *x509.Certificate) { c.URIs = uris(t, texts...) })
	}
	withPEM := func(change func([]string) []string) tokens.Credential {
		return tokens.Credential{VerifiedChains: [][]string{change(ca.Certificate(t, func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com"} }).PEM())}}
	}
	const dns, email, uri, spiffe, by = tokenx509.ByDNS, tokenx509.ByEmail, tokenx509.ByURI, tokenx509.BySPIFFE, tokenx509.BySubject
	tests := []struct {
		name string
		by   tokenx509.By
		c    tokens.Credential
		code string // empty: verified
		id   string // ID, or with by the user
	}{
		{"a DNS name", dns, named("a.example.com"), "", "a.example.com"},
		{"a DNS name in upper case", dns, named("A.Example.com"), "", "a.example.com"},
		{"no DNS name", dns, withURIs("spiffe://example.org/a"), tokenx509.CodeSAN, ""},
		{"only a common name", dns, subject(pkix.Name{CommonName: "a.example.com"}), tokenx509.CodeSAN, ""},
		{"two DNS names", dns, named("a.example.com", "b.example.com"), tokenx509.CodeSAN, ""},
		{"a wildcard", dns, named("*.example.com"), tokenx509.CodeSAN, ""},
		{"a wildcard inside", dns, named("a*.example.com"), tokenx509.CodeSAN, ""},
		{"a NUL byte in a name", dns, named("a.example.com\x00.evil.com"), tokenx509.CodeSAN, ""},
		{"a space in a name", dns, named("a b"), tokenx509.CodeSAN, ""},
		{"an email address", email, issue(func(c *x509.Certificate) { c.EmailAddresses = []string{"a@example.com"} }), "", "a@example.com"},
		{"no email address", email, named("a.example.com"), tokenx509.CodeSAN, ""},
		{"an email address in the subject only", email, subject(amsName()), tokenx509.CodeSAN, ""},
		{"a URI", uri, withURIs("urn:device:7"), "", "urn:device:7"},
		{"two URIs", uri, withURIs("urn:device:7", "urn:device:8"), tokenx509.CodeSAN, ""},
		{"a SPIFFE ID", spiffe, withURIs("spiffe://example.org/ns/a/sa/b"), "", "spiffe://example.org/ns/a/sa/b"},
		{"two URIs, one a SPIFFE ID", spiffe, withURIs("spiffe://example.org/a", "urn:device:7"), tokenx509.CodeSAN, ""},
		{"two SPIFFE IDs", spiffe, withURIs("spiffe://example.org/a", "spiffe://example.org/b"), tokenx509.CodeSAN, ""},
		{"no SPIFFE ID", spiffe, named("a.example.com"), tokenx509.CodeSAN, ""},
		{"not a SPIFFE ID", spiffe, withURIs("https://example.org/a"), tokenx509.CodeSAN, ""},
		{"a SPIFFE ID with a query", spiffe, withURIs("spiffe://example.org/a?b=c"), tokenx509.CodeSAN, ""},
		{"a SPIFFE ID with a port", spiffe, withURIs("spiffe://example.org:8080/a"), tokenx509.CodeSAN, ""},
		{"a SPIFFE ID with dots in its path", spiffe, withURIs("spiffe://example.org/a/../b"), tokenx509.CodeSAN, ""},
		{"a SPIFFE ID of a trust domain", spiffe, withURIs("spiffe://example.org"), tokenx509.CodeSAN, ""},
		{"a foreign trust domain", spiffe, withURIs("spiffe://example.com/a"), tokenx509.CodeTrustDomain, ""},
		{"a trust domain that contains ours", spiffe, withURIs("spiffe://x.example.org/a"), tokenx509.CodeTrustDomain, ""},

		{"the example of AMS", by, subject(amsName()), "", "ams"},
		{"the example of AMS, in another order", by, subject(pkix.Name{ExtraNames: slices.Concat(
			[]pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "not the last"}}, extraFirst(amsName()),
		)}), "", "ams"},
		{"its organization without the escape", by, subject(pkix.Name{CommonName: "host/a.b", Organization: []string{"A", "Inc"}}), tokenx509.CodeUnknownSubject, ""},
		{"a subject", by, subject(pkix.Name{CommonName: "pia"}), "", "pia"},
		{"an unknown subject", by, subject(pkix.Name{CommonName: "Pia"}), tokenx509.CodeUnknownSubject, ""},
		{"a subject with more", by, subject(pkix.Name{CommonName: "pia", Country: []string{"GR"}}), tokenx509.CodeUnknownSubject, ""},
		{"a subject that looks like two attributes", by, subject(pkix.Name{CommonName: "pia,O=x"}), tokenx509.CodeUnknownSubject, ""},
		{"a subject that another names with a NUL byte", by, subject(pkix.Name{CommonName: "pia\x00"}), tokenx509.CodeUnknownSubject, ""},
		{"no subject", by, named("pia"), tokenx509.CodeUnknownSubject, ""},
		{"the subject of a binding", by, subject(pkix.Name{CommonName: "bound"}), tokenx509.CodeUnknownSubject, ""},
		{"a disabled key", by, subject(pkix.Name{CommonName: "off"}), tokens.CodeKeyDisabled, ""},
		{"an expired key", by, subject(pkix.Name{CommonName: "old"}), tokens.CodeKeyExpired, ""},
		{"from another network", by, subject(pkix.Name{CommonName: "net"}), tokens.CodeKeyNetwork, ""},
		{"a disabled user", by, subject(pkix.Name{CommonName: "gone"}), tokens.CodeUserDisabled, ""},

		{"expired", dns, issue(func(c *x509.Certificate) {
			c.DNSNames, c.NotAfter = []string{"a.example.com"}, time.Now().Add(-time.Second)
		}), tokenx509.CodeExpired, ""},
		{"not yet valid", dns, issue(func(c *x509.Certificate) {
			c.DNSNames, c.NotBefore = []string{"a.example.com"}, time.Now().Add(time.Hour)
		}), tokenx509.CodeNotYetValid, ""},
		{"of an intermediate CA that has expired", dns, presented(ca.Intermediate(t, "old CA", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }).
			Certificate(t, func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com"} })), tokenx509.CodeExpired, ""},
		{"for servers", dns, issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), tokenx509.CodeUsage, ""},
		{"for an unknown use", dns, issue(func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 2, 3}}
		}), tokenx509.CodeUsage, ""},
		{"for every use", dns, issue(func(c *x509.Certificate) { c.DNSNames, c.ExtKeyUsage = []string{"a.example.com"}, nil }), "", "a.example.com"},
		{"for any use", dns, issue(func(c *x509.Certificate) {
			c.DNSNames, c.ExtKeyUsage = []string{"a.example.com"}, []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
		}), "", "a.example.com"},
		{"a CA", dns, issue(func(c *x509.Certificate) {
			c.DNSNames, c.IsCA, c.BasicConstraintsValid = []string{"a.example.com"}, true, true
		}), tokenx509.CodeCA, ""},

		{"garbage", dns, tokens.Credential{VerifiedChains: [][]string{{"garbage"}}}, tokenx509.CodeMalformed, ""},
		{"garbage in PEM", dns, tokens.Credential{VerifiedChains: [][]string{{"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"}}}, tokenx509.CodeMalformed, ""},
		{"garbage as CA", dns, withPEM(func(c []string) []string { return []string{c[0], "garbage"} }), tokenx509.CodeMalformed, ""},
		{"an empty chain", dns, tokens.Credential{VerifiedChains: [][]string{{}}}, tokenx509.CodeMalformed, ""},
		{"two certificates in one text", dns, withPEM(func(c []string) []string { return []string{c[0] + c[1], c[1]} }), tokenx509.CodeMalformed, ""},
		{"a key instead of a certificate", dns, withPEM(func(c []string) []string {
			return []string{strings.ReplaceAll(c[0], "CERTIFICATE", "PRIVATE KEY"), c[1]}
		}), tokenx509.CodeMalformed, ""},
		{"a chain of 1,000", dns, withPEM(func(c []string) []string { return slices.Concat(c, slices.Repeat(c[1:], 1000)) }), tokenx509.CodeMalformed, ""},
		{"1,000 chains", dns, tokens.Credential{VerifiedChains: slices.Repeat([][]string{ca.Certificate(t, nil).PEM()}, 1000)}, tokenx509.CodeMalformed, ""},
		{"a certificate of 100 KiB", dns, issue(func(c *x509.Certificate) {
			for i := range 4000 {
				c.DNSNames = append(c.DNSNames, fmt.Sprintf("host-%d.a.example.com", i))
			}
		}), tokenx509.CodeMalformed, ""},
	}
	faults := 0
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := verifier(t, tt.by, nil)
			for range 2 { // from the cache too
				id, _, err := tokens.Chain{v}.Verify(t.Context(), &tt.c, nil)
				if tt.code == "" {
					if got := id.ID + id.Name; err != nil || got != tt.id {
						t.Errorf("got %q, %v", got, err)
					}
					continue
				}
				var r *tokens.Reason
				if !errors.As(err, &r) || r.Code != tt.code || r.Cause == "" || id.ID != "" || id.Name != "" {
					t.Errorf("got %+v, %v, want %s", r, err, tt.code)
				}
			}
			if s := v.Status().Caches[0]; s.Entries != 1 || s.Misses != 1 || s.Hits < 1 {
				t.Errorf("%+v", s)
			}
			if v.Slow(&tt.c) {
				t.Error("is slow, although it asks nobody")
			}
		})
		if tt.code != "" {
			faults++
		}
	}
	if faults < 15 {
		t.Errorf("only %d faults", faults)
	}
}

// extraFirst returns the attributes of a subject, those without a field of pkix.Name first.
func extraFirst(n pkix.Name) []pkix.AttributeTypeAndValue {
	all := slices.Clone(n.ExtraNames)
	n.ExtraNames = nil
	for _, rdn := range n.ToRDNSequence() {
		all = append(all, rdn...)
	}
	return all
}

func TestSeveralNames(t *testing.T) {
	ca := callouttest.NewCA(t)
	c := presented(ca.Certificate(t, func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com", "b.example.com"} }))
	id, err := verifier(t, tokenx509.ByDNS, func(cfg *tokenx509.Config) { cfg.Several = true }).Verify(t.Context(), &c)
	if err != nil || id.ID != "a.example.com" {
		t.Errorf("got %+v, %v", id, err)
	}
}

// Of several chains, the first that a configured CA vouches for counts.
func TestCAs(t *testing.T) {
	ours, other := callouttest.NewCA(t), callouttest.NewCA(t)
	sub := ours.Intermediate(t, "sub", nil)
	name := func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com"} }
	verify := func(ca *x509.Certificate, chains ...[]string) string {
		v := verifier(t, tokenx509.ByDNS, func(cfg *tokenx509.Config) { cfg.CAs = []*x509.Certificate{ca} })
		_, _, err := tokens.Chain{v}.Verify(t.Context(), &tokens.Credential{VerifiedChains: chains}, nil)
		return codeOf(err)
	}
	own, foreign, below := ours.Certificate(t, name), other.Certificate(t, name), sub.Certificate(t, name)
	for what, got := range map[string][2]string{
		"the CA itself":            {verify(ours.Cert, own.PEM()), ""},
		"another CA of the server": {verify(ours.Cert, foreign.PEM()), tokenx509.CodeIssuer},
		"its root":                 {verify(ours.Cert, below.PEM()), ""},
		"the intermediate CA":      {verify(sub.Cert, below.PEM()), ""},
		"beside the intermediate":  {verify(sub.Cert, own.PEM()), tokenx509.CodeIssuer},
		"the second chain":         {verify(ours.Cert, foreign.PEM(), own.PEM()), ""},
		"itself is not its own CA": {verify(own.Cert, own.PEM()), tokenx509.CodeIssuer},
		"a leaf without its chain": {verify(ours.Cert, own.PEM()[:1]), tokenx509.CodeIssuer},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", what, got[0], got[1])
		}
	}
}

// codeOf returns the code of a rejection; empty: none.
func codeOf(err error) string {
	var r *tokens.Reason
	if errors.As(err, &r) {
		return r.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestIdentity(t *testing.T) {
	ca := callouttest.NewCA(t)
	cert := ca.Certificate(t, func(c *x509.Certificate) {
		c.Subject, c.SerialNumber, c.URIs = amsName(), big.NewInt(0xabc), uris(t, "spiffe://example.org/a")
		c.DNSNames, c.EmailAddresses = []string{"a.example.com"}, []string{"a@example.com"}
		c.NotAfter = time.Now().Add(48 * time.Hour)
	})
	c := presented(cert)
	id, err := verifier(t, tokenx509.BySPIFFE, nil).Verify(t.Context(), &c)
	if err != nil || id.ID != "spiffe://example.org/a" || id.Authority != "machines" || id.Method != identity.MethodCertificate || !id.NotAfter.Equal(ca.Cert.NotAfter) {
		t.Errorf("got %+v, %v", id, err)
	}
	facts, _ := id.Attributes["certificate"].(map[string]any)
	fingerprint, _ := facts["fingerprint"].(string)
	if !strings.HasPrefix(fingerprint, id.KeyID) || len(fingerprint) != 64 || len(id.KeyID) != 12 {
		t.Errorf("fingerprint %q, key id %q", fingerprint, id.KeyID)
	}
	for name, want := range map[string]any{
		"subject": amsExample, "common_name": "host/a.b", "organization": []any{"A, Inc"}, "organizational_unit": []any{"u1", "u2"},
		"dns": []any{"a.example.com"}, "emails": []any{"a@example.com"}, "uris": []any{"spiffe://example.org/a"},
		"spiffe_id": "spiffe://example.org/a", "trust_domain": "example.org", "serial": "abc", "issuer": dn.Of(&ca.Cert.Subject),
		"not_after": float64(cert.Cert.NotAfter.Unix()),
	} {
		if fmt.Sprint(facts[name]) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, facts[name], want)
		}
	}

	soon := presented(ca.Certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = "soon" }))
	id, err = verifier(t, tokenx509.BySubject, nil).Verify(t.Context(), &soon)
	if err != nil || id.KeyID != "cert" || id.NotAfter.After(time.Now().Add(2*time.Hour)) || id.Attributes["certificate"] == nil {
		t.Errorf("got %+v, %v", id, err)
	}
}

// What a client presents besides decides, unless the user name is the certificate's user.
func TestNotAlone(t *testing.T) {
	ca := callouttest.NewCA(t)
	cert := presented(ca.Certificate(t, func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = "pia", []string{"a.example.com"} }))
	for _, by := range []tokenx509.By{tokenx509.BySubject, tokenx509.ByDNS} {
		v := verifier(t, by, nil)
		for what, c := range map[string]struct {
			tokens.Credential
			applies bool
		}{
			"a token":              {tokens.Credential{AuthToken: "t"}, false},
			"a password":           {tokens.Credential{User: "pia", Password: "p"}, false},
			"a signature":          {tokens.Credential{NKey: "U", Signature: "s"}, false},
			"a token as user name": {tokens.Credential{User: "token"}, false},
			"a project":            {tokens.Credential{User: "project=shop"}, true},
			"the sentinel":         {tokens.Credential{NATSJWT: "ey"}, true},
			"the sentinel's creds": {tokens.Credential{NATSJWT: "ey", Signature: "s", Nonce: "n"}, true},
			"creds and its user":   {tokens.Credential{NATSJWT: "ey", Signature: "s", Nonce: "n", User: "pia,project=shop"}, true},
			"a signature alone":    {tokens.Credential{Signature: "s", Nonce: "n"}, false},
			"creds and a token":    {tokens.Credential{NATSJWT: "ey", Signature: "s", AuthToken: "t"}, false},
			"its user's name":      {tokens.Credential{User: "pia"}, true},
			"its identity's name":  {tokens.Credential{User: "machines~a%2Eexample%2Ecom"}, by == tokenx509.ByDNS},
			"another's name":       {tokens.Credential{User: "machines~b%2Eexample%2Ecom"}, false},
			"its user and project": {tokens.Credential{User: "pia,project=shop"}, true},
			"another user's name":  {tokens.Credential{User: "ams"}, by == tokenx509.ByDNS}, // the rules of identities say who it is
		} {
			c.VerifiedChains = cert.VerifiedChains
			id, err := v.Verify(t.Context(), &c.Credential)
			if c.applies != (err == nil) || !c.applies && !errors.Is(err, tokens.ErrNotApplicable) {
				t.Errorf("%s, %s: %+v, %v", by, what, id, err)
			}
			if id.Selection.OwnName != (what == "its user's name" && by == tokenx509.BySubject) {
				t.Errorf("%s, %s: own name %t", by, what, id.Selection.OwnName)
			}
		}
	}
}

// token is a verifier that knows every token as an identity.
type token struct{ id identity.Identity }

func (token) Name() string { return "token" }

func (v token) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	if c.Token() == "" {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	return v.id, nil
}

func TestWithToken(t *testing.T) {
	ca := callouttest.NewCA(t)
	cert := ca.Certificate(t, func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = "pia", []string{"a.example.com"} })
	stranger := ca.Certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = "nobody" })
	expired := ca.Certificate(t, func(c *x509.Certificate) { c.Subject.CommonName, c.NotAfter = "pia", time.Now().Add(-time.Second) })
	user := func(name string) identity.Identity {
		return identity.Identity{Name: name, Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey}
	}
	claims := identity.Identity{ID: "7", Authority: "idp", Method: identity.MethodOIDC, Attributes: identity.Attributes{
		"claims": map[string]any{"host": "a.example.com", "user": "pia", "number": 7.0},
	}}
	const ignore, agree, alone = tokenx509.WithTokenIgnore, tokenx509.WithTokenAgree, tokenx509.WithTokenAlone
	const by, dns = tokenx509.BySubject, tokenx509.ByDNS
	tests := []struct {
		name  string
		with  tokenx509.WithToken
		by    tokenx509.By
		on    string
		cert  *callouttest.Certificate
		other identity.Identity
		code  string
	}{
		{"ignored", ignore, by, "", cert, user("ams"), ""},
		{"an expired one is ignored", ignore, by, "", expired, user("pia"), ""},
		{"the same user", agree, by, "", cert, user("pia"), ""},
		{"another user", agree, by, "", cert, user("ams"), tokenx509.CodeDisagrees},
		{"a subject of nobody", agree, by, "", stranger, user("pia"), tokenx509.CodeUnknownSubject},
		{"an expired certificate", agree, by, "", expired, user("pia"), tokenx509.CodeExpired},
		{"no certificate", agree, by, "", nil, user("pia"), ""},
		{"the user of a claim", agree, by, "claims.user", cert, claims, ""},
		{"a claim with another user", agree, by, "claims.host", cert, claims, tokenx509.CodeDisagrees},
		{"the name of a claim", agree, dns, "claims.host", cert, claims, ""},
		{"a claim with another name", agree, dns, "claims.user", cert, claims, tokenx509.CodeDisagrees},
		{"no such claim", agree, dns, "claims.absent.at.all", cert, claims, tokenx509.CodeDisagrees},
		{"a claim that is a number", agree, dns, "claims.number", cert, claims, tokenx509.CodeDisagrees},
		{"another id", agree, dns, "", cert, claims, tokenx509.CodeDisagrees},
		{"usher's health check", agree, by, "", cert, identity.Identity{Name: "health", Method: identity.MethodHealthCheck}, ""},
		{"alone", alone, by, "", cert, user("pia"), tokenx509.CodeBesideToken},
		{"alone, without a certificate", alone, by, "", nil, user("pia"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := verifier(t, tt.by, func(cfg *tokenx509.Config) { cfg.WithToken, cfg.AgreeOn = tt.with, tt.on })
			c := tokens.Credential{AuthToken: "t"}
			if tt.cert != nil {
				c = presented(tt.cert)
				c.AuthToken = "t"
			}
			id, decided, err := tokens.Chain{token{tt.other}, v}.Verify(t.Context(), &c, nil)
			if codeOf(err) != tt.code {
				t.Fatalf("got %+v, %v", id, err)
			}
			if want := map[bool]string{true: "token", false: "x509"}[tt.code == ""]; decided != want {
				t.Errorf("%s decided", decided)
			}
			if ends := !id.NotAfter.IsZero(); err == nil && ends != (tt.with == agree && tt.cert != nil && tt.other.Method != identity.MethodHealthCheck) {
				t.Errorf("ends at %s", id.NotAfter)
			}
			if len(tt.other.Attributes) > 1 {
				t.Error("the attributes of another identity were written to")
			}
		})
	}
}

func TestRevocation(t *testing.T) {
	ca := callouttest.NewCA(t)
	cert := ca.Certificate(t, func(c *x509.Certificate) {
		c.Subject.CommonName, c.OCSPServer = "pia", []string{"http://ocsp.example.com"}
	})
	c := presented(cert)
	with := func(cfg revocation.Config) *tokenx509.Verifier {
		cfg.Mode, cfg.Now = revocation.OCSP, time.Now
		checker, err := revocation.New(cfg)
		callouttest.Must(t, err)
		return verifier(t, tokenx509.BySubject, func(cfg *tokenx509.Config) { cfg.Revocation = checker })
	}
	v := with(revocation.Config{Unreachable: revocation.Deny})
	if _, err := v.Verify(t.Context(), &c); codeOf(err) != tokenx509.CodeNotChecked {
		t.Errorf("deny: %v", err)
	}
	v = with(revocation.Config{Unreachable: revocation.Unavailable})
	if _, err := v.Verify(t.Context(), &c); !errors.Is(err, tokens.ErrUnavailable) {
		t.Errorf("unavailable: %v", err)
	}
	v = with(revocation.Config{Unreachable: revocation.Unavailable, Hosts: []string{"ocsp.example.com"}})
	if !v.Slow(&c) {
		t.Error("not slow, although a host has to be asked")
	}
	expired := presented(ca.Certificate(t, func(c *x509.Certificate) { c.OCSPServer, c.NotAfter = []string{"http://ocsp.example.com"}, time.Now() }))
	withToken := c
	withToken.AuthToken = "t"
	if v.Slow(&expired) || v.Slow(&withToken) || v.SlowToConfirm(&withToken, &identity.Identity{}) {
		t.Error("slow for a certificate that needs no answer")
	}
}

func TestConfig(t *testing.T) {
	for _, bad := range []string{"", "spiffe://", "a b", "example.org:80"} {
		if _, err := tokenx509.NewVerifier(tokenx509.Config{TrustDomains: []string{bad}}); err == nil {
			t.Errorf("accepts trust domain %q", bad)
		}
	}
	for _, name := range []string{"directory", "usher"} {
		if _, err := tokenx509.NewVerifier(tokenx509.Config{Name: name, Identity: tokenx509.ByDNS}); err == nil {
			t.Errorf("accepts the name %q", name)
		}
	}
	ca := callouttest.NewCA(t)
	text := strings.Join(ca.Intermediate(t, "sub", nil).Certificate(t, nil).PEM()[1:], "\n")
	if cas, err := tokenx509.ParseCertificates([]byte(text)); err != nil || len(cas) != 2 {
		t.Errorf("%d, %v", len(cas), err)
	}
	for _, bad := range []string{"", "x", strings.ReplaceAll(text, "CERTIFICATE", "PRIVATE KEY"), "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"} {
		if _, err := tokenx509.ParseCertificates([]byte(bad)); err == nil {
			t.Errorf("accepts %.30q", bad)
		}
	}
}

func TestConformance(t *testing.T) {
	ca := callouttest.NewCA(t)
	cn := func(name string) tokens.Credential {
		return presented(ca.Certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = name }))
	}
	beside := cn("pia")
	beside.AuthToken = "t"
	conformance.Run(t, conformance.Kind{
		New: func(t *testing.T, directory func() *snapshot.Snapshot) tokens.Verifier {
			t.Helper()
			return verifier(t, tokenx509.BySubject, func(cfg *tokenx509.Config) { cfg.Snapshot = directory })
		},
		Directory: subjects(t), OfDirectory: true,
		Method: identity.MethodCertificate, Authority: identity.AuthorityDirectory,
		Good: cn("pia"),
		Bad: map[string]tokens.Credential{
			tokenx509.CodeUnknownSubject: cn("nobody"), tokens.CodeUserDisabled: cn("gone"),
			tokenx509.CodeMalformed: {VerifiedChains: [][]string{{"x"}}},
		},
		Not: map[string]tokens.Credential{"a token beside it": beside, "certificates that were not verified": {}},
	})
	conformance.Run(t, conformance.Kind{
		New: func(t *testing.T, _ func() *snapshot.Snapshot) tokens.Verifier {
			t.Helper()
			return verifier(t, tokenx509.ByDNS, nil)
		},
		Method: identity.MethodCertificate, Authority: "machines",
		Good: presented(ca.Certificate(t, func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com"} })),
		Bad:  map[string]tokens.Credential{tokenx509.CodeSAN: cn("a.example.com")},
	})
}

// A directory that cannot be read is not a denial.
func TestUnreadable(t *testing.T) {
	ca := callouttest.NewCA(t)
	c := presented(ca.Certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = "new" }))
	pia := directory.IDOf(directory.KindUser, "pia")
	s, _, _ := subjects(t).Apply([]directory.Entry{{Key: directory.KeyKey(pia, "cert"), Value: &directory.Unreadable{}}})
	v := verifier(t, tokenx509.BySubject, func(cfg *tokenx509.Config) { cfg.Snapshot = func() *snapshot.Snapshot { return s } })
	if _, err := v.Verify(t.Context(), &c); !errors.Is(err, tokens.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	ca := callouttest.NewCA(f)
	texts := ca.Certificate(f, func(c *x509.Certificate) { c.Subject = amsName(); c.DNSNames = []string{"a"} }).PEM()
	f.Add(texts[0], texts[1])
	f.Add("garbage", "")
	f.Add("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", texts[1])
	verifiers := map[tokenx509.By]*tokenx509.Verifier{}
	for _, by := range []tokenx509.By{tokenx509.ByDNS, tokenx509.ByEmail, tokenx509.ByURI, tokenx509.BySPIFFE, tokenx509.BySubject} {
		v, err := tokenx509.NewVerifier(tokenx509.Config{Name: "x", Identity: by, Now: time.Now, Snapshot: snapshot.Empty})
		callouttest.Must(f, err)
		verifiers[by] = v
	}
	f.Fuzz(func(t *testing.T, leaf, issuer string) {
		for by, v := range verifiers {
			id, err := v.Verify(t.Context(), &tokens.Credential{VerifiedChains: [][]string{{leaf, issuer}}})
			if err == nil && (id.ID == "" || strings.ContainsAny(id.ID, "* \x00")) {
				t.Errorf("%s: id %q", by, id.ID)
			}
		}
	})
}

// BenchmarkVerify compares with parsing the certificates, which usher does once for a client.
func BenchmarkVerify(b *testing.B) {
	ca := callouttest.NewCA(b)
	c := presented(ca.Certificate(b, func(c *x509.Certificate) { c.DNSNames = []string{"a.example.com"} }))
	v, err := tokenx509.NewVerifier(tokenx509.Config{Name: "machines", Identity: tokenx509.ByDNS, Now: time.Now})
	callouttest.Must(b, err)
	conformance.Compare(b, func() bool {
		copied := c
		_, err := v.Verify(b.Context(), &copied)
		return err == nil
	}, func() bool {
		for _, text := range c.VerifiedChains[0] {
			block, _ := pem.Decode([]byte(text))
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				return false
			}
		}
		return true
	})
}
