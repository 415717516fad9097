package revocation_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"usher/callout/callouttest"
	"usher/tokens"
	"usher/tokens/x509/revocation"
)

// site is the web server of a CA. It answers with whatever body is, as kind.
type site struct {
	*httptest.Server
	mu       sync.Mutex
	kind     string
	body     []byte
	code     int
	location string
	hold     chan struct{} // it waits for it
	requests atomic.Int64
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{kind: "application/ocsp-response", code: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		s.mu.Lock()
		kind, body, code, location, hold := s.kind, s.body, s.code, s.location, s.hold
		s.mu.Unlock()
		if hold != nil {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
		w.Header().Set("Content-Type", kind)
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(code)
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) set(change func(*site)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *site) host(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	callouttest.Must(t, err)
	return u.Host
}

// fixture is a CA with a site that its certificates name.
type fixture struct {
	t *testing.T
	*callouttest.CA
	site *site
	leaf *callouttest.Certificate
	now  atomic.Int64 // offset of the clock
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, CA: callouttest.NewCA(t), site: newSite(t)}
	f.leaf = f.Certificate(t, f.names)
	return f
}

func (f *fixture) names(c *x509.Certificate) {
	c.CRLDistributionPoints = []string{"ldap:///cn=ca", f.site.URL + "/ca.crl"}
	c.OCSPServer = []string{f.site.URL}
}

func (f *fixture) clock() time.Time { return time.Now().Add(time.Duration(f.now.Load())) }

func (f *fixture) checker(t *testing.T, change func(*revocation.Config)) *revocation.Checker {
	t.Helper()
	cfg := revocation.Config{
		Mode: revocation.CRL, Unreachable: revocation.Unavailable, Hosts: []string{f.site.host(t)}, Timeout: 5 * time.Second, Now: f.clock,
	}
	if change != nil {
		change(&cfg)
	}
	c, err := revocation.New(cfg)
	callouttest.Must(t, err)
	return c
}

// limited returns the extension that limits a CRL to distribution points.
func limited(t *testing.T, tag int, point string) pkix.Extension {
	t.Helper()
	var seq []asn1.RawValue
	if point != "" {
		name, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(point)})
		callouttest.Must(t, err)
		full, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: name})
		callouttest.Must(t, err)
		seq = append(seq, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: full})
	}
	if tag > 0 {
		seq = append(seq, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte{0xff}})
	}
	value, err := asn1.Marshal(seq)
	callouttest.Must(t, err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: value}
}

func TestCRL(t *testing.T) {
	with := func(e pkix.Extension) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) { l.ExtraExtensions = append(l.ExtraExtensions, e) }
	}
	tests := []struct {
		name string
		body func(f *fixture) []byte
		want error
		says string
	}{
		{"good", func(f *fixture) []byte { return f.CRL(f.t, nil) }, nil, ""},
		{"good, in PEM", func(f *fixture) []byte {
			return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: f.CRL(f.t, nil)})
		}, nil, ""},
		{"another one is revoked", func(f *fixture) []byte { return f.CRL(f.t, nil, f.Certificate(f.t, nil)) }, nil, ""},
		{"revoked", func(f *fixture) []byte { return f.CRL(f.t, nil, f.leaf) }, revocation.ErrRevoked, "in the CRL of"},
		{"expired", func(f *fixture) []byte {
			return f.CRL(f.t, func(l *x509.RevocationList) { l.NextUpdate = time.Now().Add(-time.Second) })
		}, tokens.ErrUnavailable, "has expired"},
		{"of the future", func(f *fixture) []byte {
			return f.CRL(f.t, func(l *x509.RevocationList) { l.ThisUpdate = time.Now().Add(10 * time.Minute) })
		}, tokens.ErrUnavailable, "of the future"},
		{"forged: another key, the same name", func(f *fixture) []byte { return callouttest.NewCA(f.t).CRL(f.t, nil) }, tokens.ErrUnavailable, "verification failure"},
		{"of another CA", func(f *fixture) []byte { return f.Intermediate(f.t, "other", nil).CRL(f.t, nil) }, tokens.ErrUnavailable, "another CA"},
		{"changed", func(f *fixture) []byte {
			der := f.CRL(f.t, nil, f.leaf)
			return []byte(strings.Replace(string(der), string(f.leaf.Cert.SerialNumber.Bytes()), "\x7f", 1))
		}, tokens.ErrUnavailable, ""},
		{"for this point", func(f *fixture) []byte { return f.CRL(f.t, with(limited(f.t, 0, f.site.URL+"/ca.crl"))) }, nil, ""},
		{"for this point, revoked", func(f *fixture) []byte {
			return f.CRL(f.t, with(limited(f.t, 1, f.site.URL+"/ca.crl")), f.leaf)
		}, revocation.ErrRevoked, ""},
		{"for another point", func(f *fixture) []byte { return f.CRL(f.t, with(limited(f.t, 0, f.site.URL+"/other.crl"))) }, tokens.ErrUnavailable, "other certificates"},
		{"for CAs", func(f *fixture) []byte { return f.CRL(f.t, with(limited(f.t, 2, ""))) }, tokens.ErrUnavailable, "does not cover"},
		{"indirect", func(f *fixture) []byte { return f.CRL(f.t, with(limited(f.t, 4, ""))) }, tokens.ErrUnavailable, "does not cover"},
		{"a delta", func(f *fixture) []byte {
			return f.CRL(f.t, with(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}))
		}, tokens.ErrUnavailable, "delta"},
		{"an unknown critical extension", func(f *fixture) []byte {
			return f.CRL(f.t, with(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}))
		}, tokens.ErrUnavailable, "critical"},
		{"garbage", func(*fixture) []byte { return []byte("<html>") }, tokens.ErrUnavailable, "not a CRL"},
		{"nothing", func(*fixture) []byte { return nil }, tokens.ErrUnavailable, "not a CRL"},
		{"too large", func(*fixture) []byte { return make([]byte, 1<<20+1) }, tokens.ErrUnavailable, "more than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			body := tt.body(f)
			f.site.set(func(s *site) { s.body = body })
			c := f.checker(t, func(cfg *revocation.Config) { cfg.MaxCRL = 1 << 20 })
			if !c.Waits(f.leaf.Chain) {
				t.Error("does not wait, although nothing has been fetched")
			}
			for range 2 {
				err := c.Check(t.Context(), f.leaf.Chain)
				if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Errorf("from the site: %v", err)
				}
			}
			if n := f.site.requests.Load(); n != 1 || c.Waits(f.leaf.Chain) {
				t.Errorf("%d requests, waits %t", n, c.Waits(f.leaf.Chain))
			}

			path := filepath.Join(t.TempDir(), "ca.crl")
			callouttest.Must(t, os.WriteFile(path, body, 0o600))
			files, err := revocation.New(revocation.Config{
				Mode: revocation.CRL, Unreachable: revocation.Unavailable, CRLFiles: []string{path}, MaxCRL: 1 << 20, Now: time.Now,
			})
			if err == nil {
				if files.Waits(f.leaf.Chain) {
					t.Error("waits for a file")
				}
				err = files.Check(t.Context(), f.leaf.Chain)
				if tt.name == "of another CA" {
					tt.says = "no CRL file covers"
				}
				if !errors.Is(err, tt.want) {
					t.Errorf("from a file: %v", err)
				}
			}
			if (err == nil) != (tt.want == nil) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("from a file: %v", err)
			}
		})
	}
}

func TestOCSP(t *testing.T) {
	appointed := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }
	tests := []struct {
		name string
		body func(f *fixture) []byte
		want error
		says string
	}{
		{"good", func(f *fixture) []byte { return f.OCSP(f.t, f.leaf, ocsp.Good, nil, nil) }, nil, ""},
		{"revoked", func(f *fixture) []byte { return f.OCSP(f.t, f.leaf, ocsp.Revoked, nil, nil) }, revocation.ErrRevoked, "says the OCSP responder"},
		{"unknown", func(f *fixture) []byte { return f.OCSP(f.t, f.leaf, ocsp.Unknown, nil, nil) }, tokens.ErrUnavailable, "does not know"},
		{"stale", func(f *fixture) []byte {
			return f.OCSP(f.t, f.leaf, ocsp.Good, nil, func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(-time.Second) })
		}, tokens.ErrUnavailable, "has expired"},
		{"good for ever", func(f *fixture) []byte {
			return f.OCSP(f.t, f.leaf, ocsp.Good, nil, func(r *ocsp.Response) { r.NextUpdate = time.Time{} })
		}, tokens.ErrUnavailable, "has expired"},
		{"of the future", func(f *fixture) []byte {
			return f.OCSP(f.t, f.leaf, ocsp.Good, nil, func(r *ocsp.Response) { r.ThisUpdate = time.Now().Add(10 * time.Minute) })
		}, tokens.ErrUnavailable, "of the future"},
		{"forged: another key, the same name", func(f *fixture) []byte {
			return callouttest.NewCA(f.t).OCSP(f.t, f.leaf, ocsp.Good, nil, nil)
		}, tokens.ErrUnavailable, "signature"},
		{"about another certificate", func(f *fixture) []byte { return f.OCSP(f.t, f.Certificate(f.t, nil), ocsp.Good, nil, nil) }, tokens.ErrUnavailable, "no response matching"},
		{"of an appointed responder", func(f *fixture) []byte {
			return f.OCSP(f.t, f.leaf, ocsp.Good, f.Certificate(f.t, appointed), nil)
		}, nil, ""},
		{"of an appointed responder, revoked", func(f *fixture) []byte {
			return f.OCSP(f.t, f.leaf, ocsp.Revoked, f.Certificate(f.t, appointed), nil)
		}, revocation.ErrRevoked, ""},
		{"signed by a client of the CA", func(f *fixture) []byte {
			return f.OCSP(f.t, f.leaf, ocsp.Good, f.Certificate(f.t, nil), nil)
		}, tokens.ErrUnavailable, "did not appoint"},
		{"signed by the certificate itself", func(f *fixture) []byte {
			return f.OCSP(f.t, f.leaf, ocsp.Good, f.leaf, nil)
		}, tokens.ErrUnavailable, "did not appoint"},
		{"of a responder that has expired", func(f *fixture) []byte {
			return f.OCSP(f.t, f.leaf, ocsp.Good, f.Certificate(f.t, func(c *x509.Certificate) { appointed(c); c.NotAfter = time.Now().Add(-time.Minute) }), nil)
		}, tokens.ErrUnavailable, "not valid now"},
		{"of a responder that another CA appointed", func(f *fixture) []byte {
			return f.OCSP(f.t, f.leaf, ocsp.Good, callouttest.NewCA(f.t).Certificate(f.t, appointed), nil)
		}, tokens.ErrUnavailable, "signature"},
		{"an error", func(*fixture) []byte { return ocsp.TryLaterErrorResponse }, tokens.ErrUnavailable, "try later"},
		{"garbage", func(*fixture) []byte { return []byte("<html>") }, tokens.ErrUnavailable, ""},
		{"too large", func(*fixture) []byte { return make([]byte, 1<<20) }, tokens.ErrUnavailable, "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			body := tt.body(f)
			f.site.set(func(s *site) { s.body = body })
			for _, responder := range []string{"", f.site.URL} {
				f.site.requests.Store(0)
				c := f.checker(t, func(cfg *revocation.Config) {
					cfg.Mode, cfg.Responder = revocation.OCSP, responder
					if responder != "" {
						cfg.Hosts = nil
					}
				})
				for range 2 {
					err := c.Check(t.Context(), f.leaf.Chain)
					if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.says) {
						t.Errorf("got %v", err)
					}
				}
				if n := f.site.requests.Load(); n != 1 || c.Waits(f.leaf.Chain) {
					t.Errorf("%d requests, waits %t", n, c.Waits(f.leaf.Chain))
				}
			}
		})
	}
}

// A site that does not work, and what becomes of the certificate then.
func TestUnreachable(t *testing.T) {
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a host was asked that is not allowed") }))
	t.Cleanup(secret.Close)
	sites := map[string]func(*fixture, *revocation.Config){
		"down": func(f *fixture, _ *revocation.Config) { f.site.Close() },
		"slow": func(f *fixture, cfg *revocation.Config) {
			f.site.hold = make(chan struct{})
			cfg.Timeout = 50 * time.Millisecond
		},
		"error":                func(f *fixture, _ *revocation.Config) { f.site.code = http.StatusInternalServerError },
		"not found":            func(f *fixture, _ *revocation.Config) { f.site.code = http.StatusNotFound },
		"redirect":             func(f *fixture, _ *revocation.Config) { f.site.code, f.site.location = http.StatusFound, secret.URL },
		"not allowed":          func(_ *fixture, cfg *revocation.Config) { cfg.Hosts = []string{"ca.example.com"} },
		"allowed without port": func(_ *fixture, cfg *revocation.Config) { cfg.Hosts = []string{"127.0.0.1"} },
		"another type":         func(f *fixture, cfg *revocation.Config) { f.site.kind = "text/html"; cfg.Mode = revocation.OCSP },
	}
	for name, broken := range sites {
		for unreachable, want := range map[revocation.Unreachable]error{
			revocation.Unavailable: tokens.ErrUnavailable, revocation.Deny: revocation.ErrUnknown, revocation.Allow: nil,
		} {
			t.Run(name+", "+string(unreachable), func(t *testing.T) {
				f := newFixture(t)
				f.site.body = f.OCSP(t, f.leaf, ocsp.Good, nil, nil)
				c := f.checker(t, func(cfg *revocation.Config) {
					cfg.Mode, cfg.Unreachable = revocation.CRLOrOCSP, unreachable
					broken(f, cfg)
				})
				err := c.Check(t.Context(), f.leaf.Chain)
				if errors.Is(err, context.DeadlineExceeded) {
					t.Error("the request of the client seems to have ended")
				}
				if !errors.Is(err, want) || want != tokens.ErrUnavailable && errors.Is(err, tokens.ErrUnavailable) { //nolint:errorlint // of the table
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// A client that has no time left is not denied, and those that wait with it get the answer.
func TestLeaving(t *testing.T) {
	f := newFixture(t)
	f.site.body, f.site.hold = f.OCSP(t, f.leaf, ocsp.Good, nil, nil), make(chan struct{})
	c := f.checker(t, func(cfg *revocation.Config) { cfg.Mode, cfg.Unreachable = revocation.OCSP, revocation.Deny })
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := c.Check(ctx, f.leaf.Chain); !errors.Is(err, tokens.ErrUnavailable) {
			t.Errorf("the first: %v", err)
		}
	})
	callouttest.Eventually(t, "the site is asked", func() bool { return f.site.requests.Load() == 1 })
	for range 8 {
		all.Go(func() {
			if err := c.Check(t.Context(), f.leaf.Chain); err != nil {
				t.Errorf("another one: %v", err)
			}
		})
	}
	cancel()
	close(f.site.hold)
	all.Wait()
	if n := f.site.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A site that is down is asked again after a moment, and not at every connect.
func TestRetry(t *testing.T) {
	f := newFixture(t)
	f.site.code = http.StatusServiceUnavailable
	c := f.checker(t, nil)
	other := f.Certificate(t, f.names)
	for range 3 {
		if err := c.Check(t.Context(), f.leaf.Chain); !errors.Is(err, tokens.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		_ = c.Check(t.Context(), other.Chain)
	}
	var s tokens.Status
	c.Status(&s)
	if n := f.site.requests.Load(); n != 1 || len(s.Backends) != 1 || s.Backends[0].Up || !s.Backends[0].Open || s.Backends[0].Failures != 1 {
		t.Errorf("%d requests, %+v", n, s)
	}
	f.site.set(func(s *site) { s.code, s.body = http.StatusOK, f.CRL(t, nil) })
	f.now.Store(int64(11 * time.Second))
	if err := c.Check(t.Context(), f.leaf.Chain); err != nil {
		t.Errorf("after a moment: %v", err)
	}
	s = tokens.Status{}
	if c.Status(&s); !s.Backends[0].Up || s.Backends[0].Open {
		t.Errorf("%+v", s)
	}
}

// Answers are fetched again before they end, if they are used; if the site is down then,
// they stay until they end.
func TestRefresh(t *testing.T) {
	f := newFixture(t)
	f.site.body = f.CRL(t, nil)
	c := f.checker(t, func(cfg *revocation.Config) { cfg.Refresh = 10 * time.Minute })
	check := func(want error) {
		t.Helper()
		if err := c.Check(t.Context(), f.leaf.Chain); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	requests := func(n int64) {
		t.Helper()
		if got := f.site.requests.Load(); got != n {
			t.Errorf("%d requests, want %d", got, n)
		}
	}
	check(nil)
	c.Tick(t.Context())
	requests(1)
	f.now.Store(int64(11 * time.Minute))
	f.site.set(func(s *site) { s.code = http.StatusInternalServerError })
	c.Tick(t.Context())
	requests(2)
	check(nil)
	f.site.set(func(s *site) { s.code, s.body = http.StatusOK, f.CRL(t, nil, f.leaf) })
	f.now.Store(int64(12 * time.Minute))
	c.Tick(t.Context())
	requests(3)
	check(revocation.ErrRevoked)
	f.now.Store(int64(2 * time.Hour))
	f.site.set(func(s *site) { s.code = http.StatusInternalServerError })
	check(tokens.ErrUnavailable)
}

func TestCRLFileChanges(t *testing.T) {
	f := newFixture(t)
	path := filepath.Join(t.TempDir(), "ca.crl")
	write := func(body []byte, at time.Duration) {
		callouttest.Must(t, os.WriteFile(path, body, 0o600))
		callouttest.Must(t, os.Chtimes(path, time.Time{}, time.Now().Add(at)))
	}
	write(f.CRL(t, nil), 0)
	c := f.checker(t, func(cfg *revocation.Config) { cfg.CRLFiles = []string{path} })
	callouttest.Must(t, c.Check(t.Context(), f.leaf.Chain))
	write([]byte("half a CRL"), time.Second)
	c.Tick(t.Context())
	callouttest.Must(t, c.Check(t.Context(), f.leaf.Chain))
	write(f.CRL(t, nil, f.leaf), 2*time.Second)
	c.Tick(t.Context())
	if err := c.Check(t.Context(), f.leaf.Chain); !errors.Is(err, revocation.ErrRevoked) {
		t.Errorf("got %v", err)
	}
	if n := f.site.requests.Load(); n != 0 {
		t.Errorf("%d requests, although a file tells", n)
	}
}

// Intermediate CAs are checked where something tells about them.
func TestIntermediate(t *testing.T) {
	f := newFixture(t)
	sub := f.Intermediate(t, "sub", nil)
	leaf := sub.Certificate(t, nil)
	dir := t.TempDir()
	check := func(t *testing.T, want error, lists ...[]byte) {
		t.Helper()
		var paths []string
		for i, body := range lists {
			paths = append(paths, filepath.Join(dir, string(rune('a'+i))))
			callouttest.Must(t, os.WriteFile(paths[i], body, 0o600))
		}
		c := f.checker(t, func(cfg *revocation.Config) { cfg.CRLFiles = paths })
		if err := c.Check(t.Context(), leaf.Chain); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	good := sub.CRL(t, nil)
	check(t, nil, good)
	check(t, nil, good, f.CRL(t, nil))
	revoked := f.CRL(t, func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: sub.Cert.SerialNumber, RevocationTime: time.Now()}}
	})
	check(t, revocation.ErrRevoked, good, revoked)
	old := f.CRL(t, func(l *x509.RevocationList) { l.NextUpdate = time.Now().Add(-time.Second) })
	check(t, tokens.ErrUnavailable, good, old)
	check(t, tokens.ErrUnavailable, f.CRL(t, nil))
}

func TestOffAndNil(t *testing.T) {
	f := newFixture(t)
	off := f.checker(t, func(cfg *revocation.Config) { cfg.Mode = revocation.Off })
	for _, c := range []*revocation.Checker{nil, off} {
		if err := c.Check(t.Context(), f.leaf.Chain); err != nil || c.Waits(f.leaf.Chain) {
			t.Errorf("got %v", err)
		}
		c.Run(t.Context())
		c.Status(&tokens.Status{})
	}
	if err := f.checker(t, nil).Check(t.Context(), f.leaf.Chain[:1]); !errors.Is(err, tokens.ErrUnavailable) {
		t.Errorf("a chain of one: %v", err)
	}
	for _, bad := range []revocation.Config{{Responder: "ldap://x"}, {Responder: "http://user@x"}, {Mode: revocation.CRL, CRLFiles: []string{"absent"}}} {
		if _, err := revocation.New(bad); err == nil {
			t.Errorf("accepts %+v", bad)
		}
	}
}

// Either: OCSP tells what the CRL does not.
func TestEither(t *testing.T) {
	f := newFixture(t)
	f.site.body = f.OCSP(t, f.leaf, ocsp.Good, nil, nil) // no CRL
	c := f.checker(t, func(cfg *revocation.Config) { cfg.Mode = revocation.CRLOrOCSP })
	callouttest.Must(t, c.Check(t.Context(), f.leaf.Chain))
	f.site.body = f.OCSP(t, f.leaf, ocsp.Revoked, nil, nil)
	c = f.checker(t, func(cfg *revocation.Config) { cfg.Mode = revocation.CRLOrOCSP })
	if err := c.Check(t.Context(), f.leaf.Chain); !errors.Is(err, revocation.ErrRevoked) {
		t.Errorf("got %v", err)
	}
}

func FuzzParseCRL(f *testing.F) {
	ca := callouttest.NewCA(f)
	f.Add(ca.CRL(f, nil, ca.Certificate(f, nil)))
	f.Add([]byte("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"))
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(_ *testing.T, raw []byte) { _ = revocation.ParseCRL(raw) })
}
