package pki_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/app/pki"
	"usher/callout/callouttest"
)

// A renewed certificate has the names, use and lifetime of the old one, and another key.
func TestRenew(t *testing.T) {
	dir := newDir(t, 0)
	now := time.Now()
	before := issue(t, dir, pki.Request{
		CN: "a", DNS: []string{"a.example.org"}, IPs: []net.IP{net.ParseIP("192.0.2.1")}, Server: true, Lifetime: 48 * time.Hour, Now: now,
	})
	later := now.Add(72 * time.Hour) // after its end
	returned, err := dir.Renew("a", later)
	callouttest.Must(t, err)
	after := load(t, dir, "a")
	if !after.Equal(returned) || after.SerialNumber.Cmp(before.SerialNumber) == 0 || string(after.SubjectKeyId) == string(before.SubjectKeyId) {
		t.Errorf("the same as before: %+v", after)
	}
	if after.Subject.CommonName != "a" || len(after.DNSNames) != 1 || after.DNSNames[0] != "a.example.org" || len(after.IPAddresses) != 1 ||
		len(after.ExtKeyUsage) != 1 || after.ExtKeyUsage[0] != before.ExtKeyUsage[0] {
		t.Errorf("another use or names: %+v", after)
	}
	if left := after.NotAfter.Sub(later.Truncate(time.Second)); left < 48*time.Hour-time.Second || left > 48*time.Hour {
		t.Errorf("lifetime %s", left)
	}
	if names, err := dir.Names(); err != nil || len(names) != 1 {
		t.Errorf("%v %v", names, err)
	}
	if left, err := filepath.Glob(filepath.Join(string(dir), "*.next")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// A renewal does not outlive the CA, and one of a CA that has ended fails.
func TestRenewNearTheEndOfTheCA(t *testing.T) {
	dir := newDir(t, 48*time.Hour)
	now := time.Now()
	issue(t, dir, pki.Request{CN: "a", Client: true, Lifetime: 36 * time.Hour, Now: now})
	cert, err := dir.Renew("a", now.Add(24*time.Hour))
	callouttest.Must(t, err)
	ca, err := dir.Authority()
	callouttest.Must(t, err)
	if cert.NotAfter.After(ca.Cert.NotAfter) || cert.NotAfter.Before(ca.Cert.NotAfter.Add(-time.Second)) {
		t.Errorf("ends at %s, and its CA at %s", cert.NotAfter, ca.Cert.NotAfter)
	}
	if _, err := dir.Renew("a", now.Add(49*time.Hour)); !errors.Is(err, pki.ErrEnded) {
		t.Errorf("%v", err)
	}
	if !load(t, dir, "a").Equal(cert) {
		t.Error("a renewal that failed has changed the certificate")
	}
}

// A certificate of another CA, or of another name, is left alone.
func TestRenewForeign(t *testing.T) {
	dir, other := newDir(t, 0), newDir(t, 0)
	issue(t, dir, pki.Request{CN: "a", Client: true})
	issue(t, other, pki.Request{CN: "b", Client: true})
	for from, to := range map[string]string{
		other.CertFile("b"): dir.CertFile("b"), other.KeyFile("b"): dir.KeyFile("b"),
		dir.CertFile("a"): dir.CertFile("c"), dir.KeyFile("a"): dir.KeyFile("c"),
	} {
		text, err := os.ReadFile(from)
		callouttest.Must(t, err)
		callouttest.Must(t, os.WriteFile(to, text, 0o600))
	}
	for _, name := range []string{"b", "c"} {
		if _, err := dir.Renew(name, time.Now()); !errors.Is(err, pki.ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	entries, err := dir.List()
	callouttest.Must(t, err)
	for i, want := range []pki.Entry{{Name: "ca", Own: true}, {Name: "a", Own: true}, {Name: "b"}, {Name: "c", Own: true}} {
		if got := entries[i]; got.Name != want.Name || got.Own != want.Own || got.Err != nil {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if _, err := dir.Renew("../a", time.Now()); !errors.Is(err, pki.ErrFileName) {
		t.Errorf("%v", err)
	}
}
