package x509

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
)

// maxCN is the longest common name (RFC 5280 appendix A.1, ub-common-name).
const maxCN = 64

// commonName takes the only common name of a subject. Subject alternative names do not
// count. Names are compared byte by byte, although RFC 5280 ignores case: one spelling of
// a name gets in.
func (c *certificate) commonName(subject []pkix.AttributeTypeAndValue) {
	var names []any
	for i := range subject {
		if subject[i].Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}) {
			names = append(names, subject[i].Value)
		}
	}
	if len(names) != 1 {
		c.faulty(CodeCN, fmt.Sprintf("the subject has %d common names (CN); expected exactly one", len(names)))
		return
	}
	name, ok := names[0].(string)
	switch {
	case !ok || name == "" || strings.ContainsFunc(name, notInCN):
		c.faulty(CodeCN, "the common name (CN) is empty, or has other characters than letters, digits and - _ . : / @ +")
	case len(name) > maxCN:
		c.faulty(CodeCN, fmt.Sprintf("the common name (CN) is %d characters long; at most %d are accepted", len(name), maxCN))
	default:
		c.name = name
	}
}

// notInCN reports a character that no name of a service or host has. Letters of other
// alphabets would look like ASCII ones.
func notInCN(r rune) bool {
	plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !plain && !strings.ContainsRune("-_.:/@+", r)
}
