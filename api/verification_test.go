package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/api"
	"usher/api/push"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/outbound"
)

// names is a resolver that answers each question with the next address; the last one stays.
type names struct {
	asked     atomic.Int32
	addresses []string
}

func (n *names) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	i := int(n.asked.Add(1)) - 1
	return []netip.Addr{netip.MustParseAddr(n.addresses[min(i, len(n.addresses)-1)])}, nil
}

// An endpoint is verified through the API if it shows the hash over HTTPS, from an address that
// is allowed when usher connects, in time. Everything else leaves it unverified, with the error
// of AMS and a detail that tells nothing about other hosts. TestPushConfig has wrong hashes and
// what changes meanwhile.
//
// Attack: a project_admin has usher call an address of the inside, by a name that is public when the endpoint is configured and loopback when usher connects
// Held by: usher checks the address when it connects, and asks nothing of one that is not allowed
func TestVerification(t *testing.T) {
	t.Parallel()
	ca := callouttest.NewCA(t)
	for name, tt := range map[string]struct {
		answer  func(w http.ResponseWriter, r *http.Request, hash string)
		rules   func(*outbound.Rules)
		cert    func(*x509.Certificate)
		host    string // default: example.com
		names   []string
		timeout time.Duration
		unasked bool   // the endpoint gets no request
		want    string // empty: verified
	}{
		"right hash": {},
		"content type": {answer: func(w http.ResponseWriter, _ *http.Request, hash string) {
			w.Header().Set("Content-Type", "plain/text")
			_, _ = io.WriteString(w, hash)
		}},
		"wrong hash": {
			answer: func(w http.ResponseWriter, _ *http.Request, hash string) {
				_, _ = io.WriteString(w, strings.ToUpper(hash))
			},
			want: "Endpoint verification failed.Wrong verification hash",
		},
		"404": {
			answer: func(w http.ResponseWriter, _ *http.Request, hash string) {
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, hash)
			},
			want: "Endpoint verification failed.Wrong response status code",
		},
		"201": {
			answer: func(w http.ResponseWriter, _ *http.Request, hash string) {
				w.WriteHeader(http.StatusCreated)
				_, _ = io.WriteString(w, hash)
			},
			want: "Endpoint verification failed.Wrong response status code",
		},
		"slow": {
			answer:  func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() },
			timeout: 100 * time.Millisecond, want: "no answer in time",
		},
		"slow body": {
			answer: func(w http.ResponseWriter, r *http.Request, hash string) {
				_, _ = io.WriteString(w, hash)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			},
			timeout: 100 * time.Millisecond, want: "no answer in time",
		},
		"redirect": {
			answer: func(w http.ResponseWriter, _ *http.Request, _ string) {
				w.Header().Set("Location", "https://example.com/elsewhere")
				w.WriteHeader(http.StatusFound)
			},
			want: "Endpoint verification failed.Wrong response status code",
		},
		"huge body": {
			answer: func(w http.ResponseWriter, _ *http.Request, hash string) {
				_, _ = io.WriteString(w, hash+strings.Repeat("\x00", 10<<20))
			},
			want: "Endpoint verification failed.Wrong verification hash",
		},
		"cut": {answer: func(http.ResponseWriter, *http.Request, string) { panic(http.ErrAbortHandler) }, want: "the connection was cut"},
		"cut body": {
			answer: func(w http.ResponseWriter, _ *http.Request, hash string) {
				w.Header().Set("Content-Length", "65")
				_, _ = io.WriteString(w, hash)
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			},
			want: "the connection was cut",
		},
		"another authority": {rules: func(r *outbound.Rules) { r.RootCAs = x509.NewCertPool() }, unasked: true, want: "is not signed by an authority that is trusted"},
		"another name":      {host: "example.test", unasked: true, want: "its certificate is for another name"},
		"expired":           {cert: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, unasked: true, want: "its certificate has expired: on 20"},
		"not yet":           {cert: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, unasked: true, want: "its certificate is not valid yet: only from 20"},
		"client's":          {cert: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, unasked: true, want: "its certificate is not valid"},
		"rebinding":         {names: []string{"127.0.0.2"}, unasked: true, want: "the host has no address, or none that is allowed"},
		"metadata":          {names: []string{"169.254.169.254"}, unasked: true, want: "the host has no address, or none that is allowed"},
		"mapped":            {names: []string{"::ffff:10.0.0.1"}, unasked: true, want: "the host has no address, or none that is allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var hash atomic.Value
			var asked atomic.Int32
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if r.URL.String() != "/ams_verification_hash" {
					t.Errorf("asked for %s", r.URL)
				}
				if tt.answer == nil {
					_, _ = io.WriteString(w, hash.Load().(string))
					return
				}
				tt.answer(w, r, hash.Load().(string))
			}))
			cert := ca.Certificate(t, func(c *x509.Certificate) {
				c.DNSNames, c.ExtKeyUsage = []string{"example.com"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
				if tt.cert != nil {
					tt.cert(c)
				}
			})
			srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert.TLS()}, MinVersion: tls.VersionTLS12}
			srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail
			srv.StartTLS()
			t.Cleanup(srv.Close)
			port := srv.Listener.Addr().(*net.TCPAddr).AddrPort().Port()
			resolver := &names{addresses: []string{"127.0.0.1"}}
			if tt.names != nil {
				resolver.addresses = tt.names
			}
			rules := outbound.Rules{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Ports: []uint16{port}, RootCAs: x509.NewCertPool(), Resolver: resolver}
			rules.RootCAs.AddCert(ca.Cert)
			if tt.rules != nil {
				tt.rules(&rules)
			}
			client := outbound.New(rules)
			t.Cleanup(client.Close)
			s := start(t, newMemory(), func(c *api.Config) {
				c.Push = push.Config{Box: plainBox{}, Client: client, Timeout: tt.timeout}
			})
			host := "example.com"
			if tt.host != "" {
				host = tt.host
			}
			_, text, _ := strings.Cut(strings.TrimPrefix(srv.URL, "https://"), ":")
			s.root(200, "POST", billing+":modifyPushConfig", body("https://"+host+":"+text+"/in?token=opaque"))
			if resolver.asked.Load() != 0 {
				t.Error("the name was looked up before it was needed")
			}
			hash.Store(s.pushConfig("root").VerificationHash)
			got := s.as("admin", "POST", billing+":verifyPushEndpoint", "")
			switch {
			case tt.want == "" && (got.code != 200 || got.text != "" || !s.pushConfig("root").Verified):
				t.Errorf("%d %s", got.code, got.text)
			case tt.want != "":
				if got.code != http.StatusUnauthorized || !strings.Contains(got.text, tt.want) || s.pushConfig("root").Verified {
					t.Errorf("%d %s, expected %s", got.code, got.text, tt.want)
				}
				_ = got.error(t)
			}
			// On a busy machine a short time may be over before the request is there.
			if n := asked.Load(); tt.timeout == 0 && (n == 0) != tt.unasked || n > 1 || strings.Contains(got.text+s.logged(), "opaque") || strings.Contains(got.text, "127.0.0") {
				t.Errorf("%d requests, answer %s", n, got.text)
			}
		})
	}
}

// An endpoint whose port is not allowed any more is not asked, and one whose name moves to
// another address is not asked there.
func TestVerificationLater(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(srv.Close)
	port := srv.Listener.Addr().(*net.TCPAddr).AddrPort().Port()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	resolver := &names{addresses: []string{"127.0.0.1", "127.0.0.2"}}
	rules := outbound.Rules{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Ports: []uint16{port}, RootCAs: roots, Resolver: resolver}
	client := outbound.New(rules)
	t.Cleanup(client.Close)
	s := start(t, newMemory(), func(c *api.Config) { c.Push = push.Config{Box: plainBox{}, Client: client} })
	endpoint := strings.Replace(srv.URL, "127.0.0.1", "example.com", 1)
	s.root(200, "POST", billing+":modifyPushConfig", body(endpoint))
	verify := func(s *service, want string) {
		t.Helper()
		if got := s.as("root", "POST", billing+":verifyPushEndpoint", ""); got.code != http.StatusUnauthorized || !strings.Contains(got.text, want) {
			t.Errorf("%d %s, expected %s", got.code, got.text, want)
		}
	}
	verify(s, "Wrong verification hash")
	client.Close() // the next request connects again
	verify(s, "the host has no address, or none that is allowed")
	if asked.Load() != 1 || resolver.asked.Load() != 2 {
		t.Errorf("%d requests, %d look-ups", asked.Load(), resolver.asked.Load())
	}
	rules.Ports = []uint16{443}
	restricted := outbound.New(rules)
	t.Cleanup(restricted.Close)
	later := start(t, newMemory(), func(c *api.Config) { c.Push = push.Config{Box: plainBox{}, Client: restricted} })
	sub, _ := s.store.Snapshot().Subscription("shop", "billing")
	_, err := later.store.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return directory.Put(directory.ResourceKey(directory.KindSubscription, directory.IDOf(directory.KindProject, "shop"), "billing"), sub), nil
	})
	callouttest.Must(t, err)
	verify(later, "the port is not allowed")
	if asked.Load() != 1 {
		t.Errorf("%d requests", asked.Load())
	}
}
