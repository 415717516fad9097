package outbound_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/internal/outbound"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// resolver answers each question with the next addresses; the last ones stay.
type resolver struct {
	asked   atomic.Int32
	answers [][]netip.Addr
}

func (r *resolver) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n := int(r.asked.Add(1)) - 1
	return r.answers[min(n, len(r.answers)-1)], nil
}

func ips(texts ...string) (all []netip.Addr) {
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// receiver is an HTTPS server whose certificate is for example.com, and rules that reach it.
func receiver(t *testing.T, handler http.HandlerFunc) (address string, rules outbound.Rules, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		handler(w, r)
	}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	must(t, err)
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return "https://example.com:" + u.Port() + "/secret-path?secret=query", outbound.Rules{
		AllowNetworks: networks("127.0.0.0/8"), Ports: []uint16{uint16(port)}, RootCAs: pool,
		Resolver: &resolver{answers: [][]netip.Addr{ips("127.0.0.1")}},
	}, asked
}

func get(t *testing.T, c *outbound.Client, address string) (status int, text string, err error) {
	t.Helper()
	t.Cleanup(c.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	must(t, err)
	response, err := c.Do(req)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(response.Body)
		_ = response.Body.Close()
		status, text = response.StatusCode, string(body)
	}
	var typed *outbound.Error
	if err != nil && (!errors.As(err, &typed) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "127.0.0")) {
		t.Errorf("the error tells too much: %v", err)
	}
	return status, text, err
}

func TestGet(t *testing.T) {
	t.Parallel()
	address, rules, _ := receiver(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
	if status, text, err := get(t, outbound.New(rules), address); err != nil || status != 200 || text != "/secret-path" {
		t.Error(status, text, err)
	}
}

// A name that is public when it is checked and private when a request connects is refused, and
// so is one that has both kinds of address: only the public one is dialed.
func TestRebinding(t *testing.T) {
	t.Parallel()
	address, rules, asked := receiver(t, func(http.ResponseWriter, *http.Request) {})
	names := &resolver{answers: [][]netip.Addr{ips("127.0.0.1"), ips("127.0.0.2", "::1", "169.254.169.254", "::ffff:127.0.0.2")}}
	rules.AllowNetworks, rules.Resolver = networks("127.0.0.1/32"), names
	c := outbound.New(rules)
	if _, err := c.Check(address); err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, c, address); err != nil {
		t.Fatal(err)
	}
	c.Close() // the next request connects again
	if _, _, err := get(t, c, address); !errors.Is(err, outbound.ErrAddress) {
		t.Errorf("the address has changed: %v", err)
	}
	if asked.Load() != 1 || names.asked.Load() != 2 {
		t.Errorf("%d requests, %d look-ups", asked.Load(), names.asked.Load())
	}
	names = &resolver{answers: [][]netip.Addr{ips("127.0.0.2", "127.0.0.1")}}
	rules.Resolver = names
	if _, _, err := get(t, outbound.New(rules), address); err != nil {
		t.Errorf("the second address is allowed: %v", err)
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	address, rules, asked := receiver(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/secret-other", http.StatusFound) })
	if status, _, err := get(t, outbound.New(rules), address); status != http.StatusFound || err != nil || asked.Load() != 1 {
		t.Error(status, err, asked.Load())
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		change  func(*outbound.Rules)
		address string
		want    string
	}{
		"large body":   {handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 100_000)) }, want: "the answer is too large"},
		"large header": {handler: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 200_000)) }, want: "the request failed"},
		"slow": {
			handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			change:  func(r *outbound.Rules) { r.Timeout = 50 * time.Millisecond }, want: "no answer in time",
		},
		"cut": {handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: "the connection was cut"},
		"cut body": {handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, want: "the connection was cut"},
		"other authority": {change: func(r *outbound.Rules) { r.RootCAs = x509.NewCertPool() }, want: "its certificate is not signed by an authority that is trusted"},
		"other name":      {address: "https://example.test", want: "its certificate is for another name"},
		"other port":      {change: func(r *outbound.Rules) { r.Ports = []uint16{443} }, want: "the port is not allowed"},
		"http":            {address: "http://example.com", want: "the scheme is not allowed"},
		"private":         {change: func(r *outbound.Rules) { r.AllowNetworks = nil }, want: "the host has no address, or none that is allowed"},
		"no name":         {change: func(r *outbound.Rules) { r.Resolver = unknown{} }, want: "the host has no address, or none that is allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.handler == nil {
				tt.handler = func(http.ResponseWriter, *http.Request) {}
			}
			address, rules, _ := receiver(t, tt.handler)
			if tt.change != nil {
				tt.change(&rules)
			}
			if tt.address != "" {
				_, port, _ := strings.Cut(strings.TrimPrefix(address, "https://"), ":")
				address = tt.address + ":" + port
			}
			if _, _, err := get(t, outbound.New(rules), address); err == nil || !strings.HasSuffix(err.Error(), ": "+tt.want) {
				t.Errorf("%v, expected %s", err, tt.want)
			}
		})
	}
}

type unknown struct{}

func (unknown) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: "secret", IsNotFound: true}
}

// A proxy of the environment is not asked: it would connect to what is refused here.
func TestNoProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	address, rules, _ := receiver(t, func(http.ResponseWriter, *http.Request) {})
	if _, _, err := get(t, outbound.New(rules), address); err != nil {
		t.Error(err)
	}
}
