package dn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"usher/internal/dn"
)

var (
	oidE  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	oidDC = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	oidCN = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidSN = asn1.ObjectIdentifier{2, 5, 4, 5}
	oidC  = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidL  = asn1.ObjectIdentifier{2, 5, 4, 7}
	oidST = asn1.ObjectIdentifier{2, 5, 4, 8}
	oidSt = asn1.ObjectIdentifier{2, 5, 4, 9}
	oidO  = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOU = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidPC = asn1.ObjectIdentifier{2, 5, 4, 17}
)

// rdn is one RDN of a subject, with one attribute or more.
type rdn []pkix.AttributeTypeAndValue

func one(oid asn1.ObjectIdentifier, value any) rdn { return rdn{{Type: oid, Value: value}} }

// parsed returns the subject as crypto/x509 parses it from a real certificate.
func parsed(t *testing.T, rdns ...rdn) *pkix.Name {
	t.Helper()
	seq := pkix.RDNSequence{}
	for _, r := range rdns {
		seq = append(seq, pkix.RelativeDistinguishedNameSET(r))
	}
	subject, err := asn1.Marshal(seq)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: subject, NotAfter: time.Unix(2e9, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &c.Subject
}

func raw(tag int, bytes string) asn1.RawValue { return asn1.RawValue{Tag: tag, Bytes: []byte(bytes)} }

func TestOf(t *testing.T) {
	tests := []struct {
		name string
		rdns []rdn
		want string
	}{
		{"the example of AMS", []rdn{
			one(oidDC, "gr"), one(oidDC, "grnet"), one(oidC, "GR"), one(oidL, "Ath"), one(oidO, "A, Inc"),
			one(oidOU, "u1"), one(oidOU, "u2"), one(oidCN, "host/a.b"), one(oidSN, "77"), one(oidE, "x@y.z"),
		}, `E=x@y.z,SERIALNUMBER=77,CN=host/a.b,OU=u1+OU=u2,O=A\, Inc,L=Ath,C=GR,DC=gr+DC=grnet`},
		{"every type", []rdn{
			one(oidC, "c"), one(oidST, "st"), one(oidL, "l"), one(oidSt, "street"), one(oidPC, "pc"),
			one(oidO, "o"), one(oidOU, "ou"), one(oidCN, "cn"), one(oidSN, "sn"), one(oidE, "e"), one(oidDC, "dc"),
		}, "E=e,SERIALNUMBER=sn,CN=cn,OU=ou,O=o,POSTALCODE=pc,STREET=street,L=l,ST=st,C=c,DC=dc"},
		{"in another order", []rdn{one(oidCN, "cn"), one(oidO, "o"), one(oidC, "c")}, "CN=cn,O=o,C=c"},
		{"multi-valued RDNs", []rdn{{{Type: oidCN, Value: "cn"}, {Type: oidOU, Value: "u1"}}, one(oidOU, "u2")}, "CN=cn,OU=u1+OU=u2"},
		{"only the last CN and SERIALNUMBER", []rdn{one(oidCN, "a"), one(oidCN, "b"), one(oidSN, "1"), one(oidSN, "2")}, "SERIALNUMBER=2,CN=b"},
		{"repeats of E and DC", []rdn{one(oidE, "a"), one(oidE, "b"), one(oidDC, "x"), one(oidDC, "y")}, "E=a+E=b,DC=x+DC=y"},
		{"an unknown attribute", []rdn{one(oidCN, "cn"), one(asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, "uid")}, "CN=cn"},
		{"special characters", []rdn{one(oidCN, `a,b+c"d\e<f>g;h=i`)}, `CN=a\,b\+c\"d\\e\<f\>g\;h=i`},
		{"spaces", []rdn{one(oidCN, "  a b  ")}, `CN=\  a b \ `},
		{"one space", []rdn{one(oidCN, " ")}, `CN=\ `},
		{"a hash at the start", []rdn{one(oidCN, "#a#")}, `CN=\#a#`},
		{"NUL and line feed", []rdn{one(oidCN, "a\x00b\nc")}, `CN=a\00b\0Ac`},
		{"an e-mail address that looks like more", []rdn{one(oidE, "a,CN=root"), one(oidCN, "b")}, `E=a\,CN=root,CN=b`},
		{"a DC that looks like more", []rdn{one(oidCN, "b"), one(oidDC, "a+DC=b")}, `CN=b,DC=a\+DC=b`},
		{"UTF8String", []rdn{one(oidCN, raw(asn1.TagUTF8String, "Ελλάδα"))}, "CN=Ελλάδα"},
		{"BMPString", []rdn{one(oidCN, raw(asn1.TagBMPString, "\x00A\x03\x95"))}, "CN=AΕ"},
		{"T61String", []rdn{one(oidCN, raw(asn1.TagT61String, "caf\xe9"))}, "CN=café"},
		{"PrintableString", []rdn{one(oidCN, raw(asn1.TagPrintableString, "plain"))}, "CN=plain"},
		{"nothing", nil, ""},
		{"empty values", []rdn{one(oidCN, ""), one(oidO, "")}, "O="},
	}
	seen := map[string]string{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := dn.Of(parsed(t, tt.rdns...))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if other := seen[got]; other != "" {
				t.Errorf("the same as %s", other)
			}
			seen[got] = tt.name
			if err := dn.Check(got); err != nil && got != "" {
				t.Errorf("its own form: %v", err)
			}
		})
	}
}

// Where AMS escapes, the form is that of AMS, which uses crypto/x509/pkix.
func TestSameAsAMS(t *testing.T) {
	n := parsed(t, one(oidC, "G,R"), one(oidST, " st"), one(oidL, "#l"), one(oidSt, `s"t`), one(oidPC, "p;c"),
		one(oidO, "o<"), one(oidO, ">o"), one(oidOU, `o\u `), one(oidCN, "c+n=é"), one(oidSN, "sn"))
	if got, want := dn.Of(n), n.ToRDNSequence().String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCheck(t *testing.T) {
	for text, says := range map[string]string{
		"CN=a,O=b":                  "",
		`CN=a\,b`:                   "",
		"CN=a, O=b":                 "expected CN=a,O=b",
		"O=b,CN=a":                  "expected CN=a,O=b",
		"OU=b+O=c+OU=d":             "expected OU=b+OU=d,O=c",
		"CN=a+CN=b":                 "expected CN=b",
		"/C=GR/CN=a":                "expected NAME=VALUE pairs",
		"cn=a":                      "expected NAME=VALUE pairs",
		"CN=a,":                     "expected NAME=VALUE pairs",
		"UID=a":                     "expected NAME=VALUE pairs",
		`CN=a\`:                     "after the last",
		`CN=a\zz`:                   "two hex digits",
		`CN=a\0`:                    "two hex digits",
		`CN=\41`:                    "expected CN=A",
		"CN=a\nb":                   `expected CN=a\0Ab`,
		"":                          "1 to 4096 bytes",
		strings.Repeat("CN=", 2000): "1 to 4096 bytes",
	} {
		err := dn.Check(text)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// FuzzOf: two subjects have the same form only if all attributes of the form are the same.
func FuzzOf(f *testing.F) {
	f.Add("a", "b", "c", "d", "e")
	f.Add("x,CN=y", "", "a+OU=b", " ", "#")
	f.Add("\x00", "\\", "\xff", "é", `"`)
	f.Fuzz(func(t *testing.T, e, cn, ou1, ou2, dc string) {
		n := &pkix.Name{
			CommonName: cn, OrganizationalUnit: []string{ou1, ou2},
			Names: []pkix.AttributeTypeAndValue{{Type: oidE, Value: e}, {Type: oidDC, Value: dc}},
		}
		got := dn.Of(n)
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' }) || !utf8.ValidString(got) {
			t.Errorf("control characters in %q", got)
		}
		back, err := dn.Parse(got)
		if err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if dn.Of(back) != got || back.CommonName != cn || len(back.OrganizationalUnit) != 2 ||
			back.OrganizationalUnit[0] != ou1 || back.OrganizationalUnit[1] != ou2 ||
			len(back.Names) != 2 || back.Names[0].Value != e || back.Names[1].Value != dc {
			t.Errorf("%q: %+v", got, back)
		}
	})
}

func FuzzCheck(f *testing.F) {
	f.Add(`E=x@y.z,SERIALNUMBER=77,CN=host/a.b,OU=u1+OU=u2,O=A\, Inc,L=Ath,C=GR,DC=gr+DC=grnet`)
	f.Add(`CN=\`)
	f.Add(`=,+`)
	f.Fuzz(func(t *testing.T, text string) {
		if dn.Check(text) != nil {
			return
		}
		n, err := dn.Parse(text)
		if err != nil || dn.Of(n) != text {
			t.Errorf("%q is in normal form, but is read as %q, %v", text, dn.Of(n), err)
		}
	})
}
