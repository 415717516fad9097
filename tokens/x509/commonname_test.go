package x509_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"usher/callout/callouttest"
	"usher/tokens"
	tokenx509 "usher/tokens/x509"
)

// With identity cn, the only common name of the subject is the identity, byte by byte.
//
// Attack: a certificate passes for a service with a common name that only looks like its own
// Held by: there is exactly one common name, of letters, digits and a few signs, and it is compared byte by byte
func TestCommonName(t *testing.T) {
	ca := callouttest.NewCA(t)
	cn := func(values ...any) pkix.Name {
		n := pkix.Name{Organization: []string{"Acme"}}
		for _, v := range values {
			n.ExtraNames = append(n.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: v})
		}
		return n
	}
	for _, tt := range []struct {
		name    string
		subject pkix.Name
		want    string // empty: refused
	}{
		{"a service", cn("applications-service"), "applications-service"},
		{"in another case", cn("Applications-Service"), "Applications-Service"},
		{"a host", cn("host/a.example.org:4222"), "host/a.example.org:4222"},
		{"of 64 characters", cn(strings.Repeat("a", 64)), strings.Repeat("a", 64)},
		{"in a printable string", cn(asn1.RawValue{Tag: asn1.TagPrintableString, Bytes: []byte("event-service")}), "event-service"},
		{"none", cn(), ""},
		{"two", cn("event-service", "applications-service"), ""},
		{"twice the same", cn("event-service", "event-service"), ""},
		{"empty", cn(""), ""},
		{"of 65 characters", cn(strings.Repeat("a", 65)), ""},
		{"a wildcard", cn("*"), ""},
		{"a wildcard of NATS", cn("event.>"), ""},
		{"a space at the end", cn("event-service "), ""},
		{"a NUL byte", cn("event-service\x00.evil"), ""},
		{"a line break", cn("event-service\nadmin"), ""},
		{"a Cyrillic letter", cn("еvent-service"), ""},
		{"an attribute of a subject", cn("event-service,O=x"), ""},
		{"a variable of a template", cn("{{name()}}"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := presented(ca.Certificate(t, func(c *x509.Certificate) {
				c.Subject = tt.subject
				c.DNSNames = []string{"other-service", "third-service"} // they do not count
			}))
			v := verifier(t, tokenx509.ByCN, nil)
			for range 2 { // from the cache too
				id, _, err := tokens.Chain{v}.Verify(t.Context(), &c, nil)
				if tt.want == "" && codeOf(err) != tokenx509.CodeCN || tt.want != "" && err != nil || id.ID != tt.want || id.Name != "" {
					t.Errorf("got %q, %v, want %q", id.ID, err, tt.want)
				}
			}
		})
	}
}

// A certificate that the server did not verify is no credential.
func TestCommonNameNotVerified(t *testing.T) {
	v := verifier(t, tokenx509.ByCN, nil)
	if _, err := v.Verify(t.Context(), &tokens.Credential{}); codeOf(err) != tokens.ErrNotApplicable.Error() {
		t.Error(err)
	}
}
