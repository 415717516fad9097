package pki_test

import (
	"crypto/x509"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/app/pki"
	"usher/callout/callouttest"
)

func newDir(t *testing.T, lifetime time.Duration) pki.Dir {
	t.Helper()
	dir := pki.Dir(filepath.Join(t.TempDir(), "pki"))
	_, err := dir.Create("test CA", lifetime, time.Now())
	callouttest.Must(t, err)
	return dir
}

func issue(t *testing.T, dir pki.Dir, r pki.Request) *x509.Certificate {
	t.Helper()
	if r.Now.IsZero() {
		r.Now = time.Now()
	}
	callouttest.Must(t, dir.Issue(&r))
	return load(t, dir, r.CN)
}

func load(t *testing.T, dir pki.Dir, name string) *x509.Certificate {
	t.Helper()
	cert, err := dir.Certificate(name)
	callouttest.Must(t, err)
	return cert
}

// Each certificate has the extensions of RFC 5280, and verifies for its use alone.
func TestIssue(t *testing.T) {
	dir := newDir(t, 0)
	ca, err := dir.Authority()
	callouttest.Must(t, err)
	c := ca.Cert
	if !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(c.SubjectKeyId) != 20 {
		t.Errorf("the CA has other extensions: %+v", c)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c)
	serials := map[string]bool{c.SerialNumber.String(): true}
	for _, r := range []pki.Request{
		{CN: "server", DNS: []string{"a.example.org", "*.b.example.org"}, IPs: []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")}, Server: true},
		{CN: "client", DNS: []string{"client"}, Client: true},
		{CN: "both", DNS: []string{"both_sides"}, Server: true, Client: true},
		{CN: "nameless", Client: true},
	} {
		cert := issue(t, dir, r)
		for use, ok := range map[x509.ExtKeyUsage]bool{x509.ExtKeyUsageServerAuth: r.Server, x509.ExtKeyUsageClientAuth: r.Client} {
			if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{use}}); (err == nil) != ok {
				t.Errorf("%s, use %v: %v", r.CN, use, err)
			}
		}
		if cert.IsCA || !cert.BasicConstraintsValid || cert.KeyUsage != x509.KeyUsageDigitalSignature || len(cert.SubjectKeyId) != 20 ||
			string(cert.AuthorityKeyId) != string(c.SubjectKeyId) || cert.SerialNumber.Sign() != 1 || len(cert.SerialNumber.Bytes()) > 20 {
			t.Errorf("%s has other extensions: %+v", r.CN, cert)
		}
		if serial := cert.SerialNumber.String(); serials[serial] {
			t.Errorf("%s has a serial number of another one", r.CN)
		} else {
			serials[serial] = true
		}
		if cert.NotAfter.After(c.NotAfter) || cert.NotBefore.Before(c.NotBefore) {
			t.Errorf("%s: %s to %s, and its CA %s to %s", r.CN, cert.NotBefore, cert.NotAfter, c.NotBefore, c.NotAfter)
		}
	}
	server := load(t, dir, "server")
	for name, ok := range map[string]bool{
		"a.example.org": true, "x.b.example.org": true, "b.example.org": false, "192.0.2.1": true, "2001:db8::1": true, "server": false,
	} {
		if err := server.VerifyHostname(name); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	verifyByOpenSSL(t, dir)
}

// verifyByOpenSSL lets OpenSSL judge the certificates too, on machines that have it.
func verifyByOpenSSL(t *testing.T, dir pki.Dir) {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("there is no openssl to ask, too")
		return
	}
	for name, purposes := range map[string][]string{"server": {"sslserver"}, "client": {"sslclient"}, "both": {"sslserver", "sslclient"}} {
		for _, purpose := range purposes {
			out, err := exec.CommandContext(t.Context(), program, "verify", "-x509_strict", "-purpose", purpose, "-CAfile", dir.CAFile(), dir.CertFile(name)).CombinedOutput()
			if err != nil {
				t.Errorf("openssl: %s for %s: %v\n%s", name, purpose, err, out)
			}
		}
	}
}

// A request that would make a certificate that nobody can use is refused.
func TestIssueRefuses(t *testing.T) {
	now := time.Now()
	dir := newDir(t, 24*time.Hour)
	for name, tt := range map[string]struct {
		r    pki.Request
		want error
		text string
	}{
		"no name":                 {pki.Request{Client: true}, pki.ErrFileName, "empty"},
		"a path":                  {pki.Request{CN: "a/b", Client: true}, pki.ErrFileName, "letters"},
		"an option":               {pki.Request{CN: "-a", Client: true}, pki.ErrFileName, "begins with"},
		"hidden":                  {pki.Request{CN: ".a", Client: true}, pki.ErrFileName, "begins with"},
		"name of the CA's file":   {pki.Request{CN: "CA", Client: true}, pki.ErrFileName, "the CA has it"},
		"long":                    {pki.Request{CN: strings.Repeat("a", 65), Client: true}, pki.ErrName, "more than 64"},
		"no use":                  {pki.Request{CN: "a"}, pki.ErrUse, ""},
		"server without a name":   {pki.Request{CN: "a", Server: true}, pki.ErrSAN, "at least one"},
		"empty name":              {pki.Request{CN: "a", Client: true, DNS: []string{""}}, pki.ErrSAN, "empty"},
		"address as a name":       {pki.Request{CN: "a", Client: true, DNS: []string{"192.0.2.1"}}, pki.ErrSAN, "an IP address, not a DNS name"},
		"IPv6 address as a name":  {pki.Request{CN: "a", Client: true, DNS: []string{"::1"}}, pki.ErrSAN, "an IP address, not a DNS name"},
		"nearly an address":       {pki.Request{CN: "a", Client: true, DNS: []string{"192.0.2.256"}}, pki.ErrSAN, "neither"},
		"host and port":           {pki.Request{CN: "a", Client: true, DNS: []string{"a:1"}}, pki.ErrSAN, "without scheme and port"},
		"a space":                 {pki.Request{CN: "a", Client: true, DNS: []string{"a b"}}, pki.ErrSAN, "not a DNS name"},
		"a star within":           {pki.Request{CN: "a", Client: true, DNS: []string{"a.*.b"}}, pki.ErrSAN, "not a DNS name"},
		"a star":                  {pki.Request{CN: "a", Client: true, DNS: []string{"*"}}, pki.ErrSAN, "not a DNS name"},
		"a dot at the end":        {pki.Request{CN: "a", Client: true, DNS: []string{"a.b."}}, pki.ErrSAN, "not a DNS name"},
		"an umlaut":               {pki.Request{CN: "a", Client: true, DNS: []string{"ä.example.org"}}, pki.ErrSAN, "xn--"},
		"no address":              {pki.Request{CN: "a", Client: true, IPs: []net.IP{{}}}, pki.ErrSAN, "no address"},
		"address of every host":   {pki.Request{CN: "a", Client: true, IPs: []net.IP{net.IPv4zero}}, pki.ErrSAN, "no address"},
		"longer than the CA":      {pki.Request{CN: "a", Client: true, Lifetime: 25 * time.Hour}, pki.ErrAfterAuthority, ""},
		"after the end of the CA": {pki.Request{CN: "a", Client: true, Now: now.Add(25 * time.Hour)}, pki.ErrEnded, ""},
		"before the CA has begun": {pki.Request{CN: "a", Client: true, Now: now.Add(-time.Hour)}, pki.ErrNotBegun, ""},
	} {
		if tt.r.Now.IsZero() {
			tt.r.Now = now
		}
		if err := dir.Issue(&tt.r); !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ca, err := dir.Authority()
	callouttest.Must(t, err)
	if _, err := ca.Issue(&pki.Request{CN: "test CA", Client: true, Now: now}); !errors.Is(err, pki.ErrName) {
		t.Errorf("name of the CA: %v", err) // it would look like one that has signed itself
	}
	if _, _, err := pki.NewAuthority("", 0, now); !errors.Is(err, pki.ErrName) {
		t.Errorf("a CA without a name: %v", err)
	}
	if names, err := dir.Names(); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v %v", names, err)
	}
}

// A CA that ends sooner than a certificate would by default shortens it.
func TestIssueUntilTheEndOfTheCA(t *testing.T) {
	dir := newDir(t, 24*time.Hour)
	ca, err := dir.Authority()
	callouttest.Must(t, err)
	if cert := issue(t, dir, pki.Request{CN: "a", Client: true}); !cert.NotAfter.Equal(ca.Cert.NotAfter) {
		t.Errorf("ends at %s, and its CA at %s", cert.NotAfter, ca.Cert.NotAfter)
	}
}

// What is no CA, or not its key, is refused with the reason.
func TestParseAuthority(t *testing.T) {
	now := time.Now()
	ca, pair, err := pki.NewAuthority("one", 0, now)
	callouttest.Must(t, err)
	_, other, err := pki.NewAuthority("two", 0, now)
	callouttest.Must(t, err)
	leaf, err := ca.Issue(&pki.Request{CN: "a", Client: true, Now: now})
	callouttest.Must(t, err)
	for text, p := range map[string]pki.Pair{
		"it is not the key of the CA certificate":     {Cert: pair.Cert, Key: other.Key},
		"of a server or client, not of a CA":          leaf,
		"certificate: it is not a certificate in PEM": {Cert: pair.Key, Key: pair.Key},
		"private key: it is \"CERTIFICATE\" in PEM":   {Cert: pair.Cert, Key: pair.Cert},
		"private key: it is not PEM":                  {Cert: pair.Cert},
		"private key: it is not PKCS #8":              {Cert: pair.Cert, Key: []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")},
	} {
		if _, err := pki.ParseAuthority(p); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %s", err, text)
		}
	}
	if again, err := pki.ParseAuthority(pair); err != nil || !again.Cert.Equal(ca.Cert) {
		t.Errorf("%v", err)
	}
}

// No command replaces what another one has made, and half of a pair is named.
func TestFilesAreKept(t *testing.T) {
	dir := newDir(t, 0)
	issue(t, dir, pki.Request{CN: "a", Client: true})
	r := &pki.Request{CN: "a", Client: true, Now: time.Now()}
	if _, err := dir.Create("again", 0, time.Now()); !errors.Is(err, pki.ErrExists) {
		t.Errorf("%v", err)
	}
	if err := dir.Issue(r); !errors.Is(err, pki.ErrExists) {
		t.Errorf("%v", err)
	}
	for _, path := range []string{dir.CertFile("a"), dir.KeyFile("a")} {
		callouttest.Must(t, os.Rename(path, path+".away"))
		if err := dir.Issue(r); !errors.Is(err, pki.ErrHalf) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := dir.Certificate("a"); !errors.Is(err, pki.ErrHalf) {
			t.Errorf("%s: %v", path, err)
		}
		callouttest.Must(t, os.Rename(path+".away", path))
	}
	load(t, dir, "a")
}
