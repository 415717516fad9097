// Package dn writes the subject of a certificate in the normal form of the Argo Messaging
// Service (argo-api-authn), by which the directory finds the user of a certificate.
//
// The form is [E=a+E=b,]SERIALNUMBER,CN,OU,O,POSTALCODE,STREET,L,ST,C[,DC=x+DC=y], without
// the attributes that the subject lacks. Values of one type are joined by "+", in the
// order of the certificate; of CN and SERIALNUMBER only the last one counts. Attributes
// of other types do not appear. Values are escaped as in RFC 2253 section 2.4.
//
// It promises that subjects with different values of these attributes have different
// forms. It differs from AMS where AMS breaks that promise: AMS does not escape E and DC.
package dn

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
	"unicode/utf8"
)

// attribute is an attribute type of the form.
type attribute struct {
	name string
	get  func(*pkix.Name) []string
	set  func(*pkix.Name, []string)
}

// attributes returns the types of the form, in its order.
func attributes() []attribute {
	list := func(name string, field func(*pkix.Name) *[]string) attribute {
		return attribute{
			name,
			func(n *pkix.Name) []string { return *field(n) },
			func(n *pkix.Name, values []string) { *field(n) = values },
		}
	}
	last := func(name string, field func(*pkix.Name) *string) attribute {
		return attribute{
			name,
			func(n *pkix.Name) []string {
				if v := *field(n); v != "" {
					return []string{v}
				}
				return nil
			},
			func(n *pkix.Name, values []string) { *field(n) = values[len(values)-1] },
		}
	}
	unnamed := func(name string, oid ...int) attribute { // pkix.Name has no field for it
		return attribute{
			name,
			func(n *pkix.Name) []string { return valuesOf(n, oid) },
			func(n *pkix.Name, values []string) {
				for _, v := range values {
					n.Names = append(n.Names, pkix.AttributeTypeAndValue{Type: oid, Value: v})
				}
			},
		}
	}
	return []attribute{
		unnamed("E", 1, 2, 840, 113549, 1, 9, 1),
		last("SERIALNUMBER", func(n *pkix.Name) *string { return &n.SerialNumber }),
		last("CN", func(n *pkix.Name) *string { return &n.CommonName }),
		list("OU", func(n *pkix.Name) *[]string { return &n.OrganizationalUnit }),
		list("O", func(n *pkix.Name) *[]string { return &n.Organization }),
		list("POSTALCODE", func(n *pkix.Name) *[]string { return &n.PostalCode }),
		list("STREET", func(n *pkix.Name) *[]string { return &n.StreetAddress }),
		list("L", func(n *pkix.Name) *[]string { return &n.Locality }),
		list("ST", func(n *pkix.Name) *[]string { return &n.Province }),
		list("C", func(n *pkix.Name) *[]string { return &n.Country }),
		unnamed("DC", 0, 9, 2342, 19200300, 100, 1, 25),
	}
}

func valuesOf(n *pkix.Name, oid asn1.ObjectIdentifier) []string {
	var values []string
	for _, a := range n.Names {
		if text, ok := a.Value.(string); ok && a.Type.Equal(oid) {
			values = append(values, text)
		}
	}
	return values
}

// Of returns the normal form of a subject that crypto/x509 parsed. It is empty for a
// subject without attributes of the form.
func Of(n *pkix.Name) string {
	var b strings.Builder
	for _, a := range attributes() {
		for i, v := range a.get(n) {
			switch {
			case i > 0:
				b.WriteByte('+')
			case b.Len() > 0:
				b.WriteByte(',')
			}
			b.WriteString(a.name)
			b.WriteByte('=')
			escape(&b, v)
		}
	}
	return b.String()
}

const special = `,+"\<>;`

// escape writes a value as RFC 2253 section 2.4 says. Control characters, and bytes that
// are not UTF-8, are written as two hex digits.
func escape(b *strings.Builder, value string) {
	for i := 0; i < len(value); {
		r, n := utf8.DecodeRuneInString(value[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < ' ', r == 0x7f:
			fmt.Fprintf(b, `\%02X`, value[i])
		case strings.ContainsRune(special, r),
			r == ' ' && (i == 0 || i == len(value)-1),
			r == '#' && i == 0:
			b.WriteByte('\\')
			fallthrough
		default:
			b.WriteString(value[i : i+n])
		}
		i += n
	}
}
