package pki_test

import (
	"crypto/tls"
	"testing"
	"time"

	"usher/app/pki"
	"usher/callout/callouttest"
)

// Whatever is in the two files, a CA that is accepted is one, and crypto/tls accepts the
// pair too. Nothing random is in here: it would look like new coverage.
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
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil || !a.Cert.IsCA || !a.Cert.Equal(pair.Leaf) {
			t.Errorf("accepted what crypto/tls does not: %v", err)
		}
	})
}
