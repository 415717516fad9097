package pki_test

import (
	"testing"
	"time"

	"usher/app/pki"
	"usher/callout/callouttest"
)

// Whatever is in the two files, a CA that is accepted signs certificates that verify.
func FuzzParseAuthority(f *testing.F) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ca, pair, err := pki.NewAuthority("test CA", 0, now)
	callouttest.Must(f, err)
	leaf, err := ca.Issue(&pki.Request{CN: "a", DNS: []string{"a"}, Server: true, Client: true, Now: now})
	callouttest.Must(f, err)
	f.Add(pair.Cert, pair.Key)
	f.Add(leaf.Cert, leaf.Key)
	f.Add(pair.Cert, leaf.Key)
	f.Add(append(leaf.Cert, pair.Cert...), pair.Key)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), pair.Key)
	f.Add(pair.Cert, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		a, err := pki.ParseAuthority(pki.Pair{Cert: cert, Key: key})
		if err != nil {
			return
		}
		p, err := a.Issue(&pki.Request{CN: "b", Client: true, Now: a.Cert.NotBefore.Add(time.Second), Lifetime: time.Second})
		if err != nil {
			return
		}
		c, _, err := p.Parse()
		if err != nil || c.CheckSignatureFrom(a.Cert) != nil {
			t.Errorf("issued %v, which the CA has not signed: %v", c, err)
		}
	})
}
