package authx509_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/api"
	"usher/api/authx509"
	"usher/api/wire"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/internal/audit"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

const (
	lifetime = time.Hour
	maxKeys  = 4
	host     = "worker-1.example.org"
	path     = "/v1/service-types/ams/hosts/" + host + ":authx509"
)

// site is a listener for certificates over a directory in a bucket.
type site struct {
	t     *testing.T
	store *kv.Store
	ca    *callouttest.CA
	http  *httptest.Server
	skew  atomic.Int64 // of the clock

	mu      sync.Mutex
	log     bytes.Buffer
	audited []audit.Change
}

func (s *site) clock() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) }

func (s *site) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *site) lastChange() audit.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.audited) == 0 {
		s.t.Fatal("the audit is empty")
	}
	return s.audited[len(s.audited)-1]
}

func (s *site) changes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.audited)
}

func (s *site) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func newSite(t *testing.T, change func(*site, *api.Config, *authx509.Config)) *site {
	t.Helper()
	s := &site{t: t, store: callouttest.KVStore(t), ca: callouttest.NewCA(t)}
	s.http = s.listener(change)
	s.put("pia", nil, bindingOf("CN=pia"))
	return s
}

// listener starts a listener over the same directory, as another replica does.
func (s *site) listener(change func(*site, *api.Config, *authx509.Config)) *httptest.Server {
	s.t.Helper()
	var ids atomic.Int64
	cfg := api.Config{
		Store: s.store, Now: s.clock, Random: rand.Reader,
		NewID: func() string { return fmt.Sprintf("request-%d", ids.Add(1)) },
		Log:   slog.New(slog.NewJSONHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Audit: func(c audit.Change) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.audited = append(s.audited, c)
		},
		Explain: func(string, string) any { return nil },
	}
	x := authx509.Config{Roots: x509.NewCertPool(), Lifetime: lifetime, MaxKeys: maxKeys}
	x.Roots.AddCert(s.ca.Cert)
	if change != nil {
		change(s, &cfg, &x)
	}
	h, err := api.NewX509(cfg, x)
	callouttest.Must(s.t, err)
	srv := httptest.NewUnstartedServer(h)
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	srv.StartTLS()
	s.t.Cleanup(srv.Close)
	return srv
}

func bindingOf(subject string) directory.Key {
	return directory.Key{ID: "worker", Other: &directory.OtherKey{Kind: directory.KeyBinding, DN: subject, ServiceType: "ams", Host: host}}
}

// put writes a user with keys.
func (s *site) put(name string, change func(*directory.User), keys ...directory.Key) {
	s.t.Helper()
	id := directory.IDOf(directory.KindUser, name)
	u := &directory.User{Name: name}
	if change != nil {
		change(u)
	}
	entries := directory.Put(directory.UserKey(id), u)
	for i := range keys {
		k := keys[i]
		if d, ok := k.DigestFor(id); ok {
			k.Digest = d
		}
		entries = append(entries, directory.Put(directory.KeyKey(id, k.ID), &k)...)
	}
	_, err := s.store.Change(s.t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) { return entries, nil })
	callouttest.Must(s.t, err)
}

// keys returns the API keys of a user.
func (s *site) keys(name string) []*directory.Key {
	u, ok := s.store.Snapshot().User(name)
	if !ok {
		s.t.Fatalf("there is no user %s", name)
	}
	return u.KeysOf(directory.KeyAPI)
}

// cert issues a certificate with this common name.
func (s *site) cert(cn string, change func(*x509.Certificate)) *callouttest.Certificate {
	s.t.Helper()
	return s.ca.Certificate(s.t, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: cn}
		if change != nil {
			change(c)
		}
	})
}

// answer is the answer to a request.
type answer struct {
	code   int
	header http.Header
	token  string
	failed wire.ErrorBody
}

// get sends a request with a certificate; nil: without one.
func (s *site) get(to *httptest.Server, path string, cert *callouttest.Certificate) answer {
	s.t.Helper()
	client := to.Client()
	transport := client.Transport.(*http.Transport).Clone() //nolint:forcetypeassert // of httptest
	transport.DisableKeepAlives = true
	if cert != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{cert.TLS()}
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, to.URL+path, nil)
	callouttest.Must(s.t, err)
	res, err := (&http.Client{Transport: transport}).Do(req)
	callouttest.Must(s.t, err)
	text, err := io.ReadAll(res.Body)
	callouttest.Must(s.t, err)
	callouttest.Must(s.t, res.Body.Close())
	a := answer{code: res.StatusCode, header: res.Header}
	if res.StatusCode == http.StatusOK {
		var login wire.Login
		callouttest.Must(s.t, json.Unmarshal(text, &login))
		a.token = login.Token
	} else {
		var e wire.Error
		callouttest.Must(s.t, json.Unmarshal(text, &e))
		a.failed = e.Error
	}
	return a
}

func (s *site) login(cert *callouttest.Certificate) answer { return s.get(s.http, path, cert) }

func networks(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}
