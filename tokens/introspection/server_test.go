package introspection_test

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/tokens/backend"
	"usher/tokens/introspection"
)

// server is an authorization server with an introspection endpoint over TLS.
type server struct {
	url, caFile string

	mu     sync.Mutex
	tokens map[string]string // token → response; another token is not active
	broken http.HandlerFunc  // answers instead, if set
	checks func(*http.Request) bool
	calls  atomic.Int32
}

func newServer(tb testing.TB, change func(*tls.Config)) *server {
	tb.Helper()
	s := &server{tokens: map[string]string{}, checks: func(*http.Request) bool { return true }}
	h := httptest.NewUnstartedServer(s)
	h.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	h.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if change != nil {
		change(h.TLS)
	}
	h.StartTLS()
	tb.Cleanup(h.Close)
	s.url, s.caFile = h.URL+"/introspect", filepath.Join(tb.TempDir(), "ca.pem")
	write(tb, s.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
	return s
}

// ServeHTTP is the endpoint (RFC 7662).
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls.Add(1)
	s.mu.Lock()
	broken, checks := s.broken, s.checks
	s.mu.Unlock()
	if broken != nil {
		broken(w, r)
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.ParseForm() != nil || len(r.URL.Query()) > 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !checks(r) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.mu.Lock()
	response, ok := s.tokens[r.PostForm.Get("token")]
	s.mu.Unlock()
	if !ok {
		response = `{"active":false}`
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_, _ = io.WriteString(w, response)
}

func (s *server) set(token, response string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = response
}

// breakBy lets h answer; nil repairs the server.
func (s *server) breakBy(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = h
}

func (s *server) check(f func(*http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks = f
}

func write(tb testing.TB, path string, text []byte) string {
	tb.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// response returns the response for a token of alice, with other members.
func response(tb testing.TB, members map[string]any) string {
	tb.Helper()
	all := map[string]any{"active": true, "sub": "alice", "aud": "nats"}
	for k, v := range members {
		all[k] = v
	}
	text, err := json.Marshal(all)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

const (
	clientID = "usher: the client" // needs encoding
	secret   = "hush+hush/100%"
)

// config returns a configuration for s, with authentication basic.
func (s *server) config(tb testing.TB) introspection.Config {
	tb.Helper()
	return introspection.Config{
		Name: "main", Authority: "main", URL: s.url,
		Authentication: introspection.Authentication{
			Method: introspection.MethodBasic, ClientID: clientID,
			ClientSecretFile: write(tb, filepath.Join(tb.TempDir(), "secret"), []byte(secret+"\n")),
		},
		HTTP:    backend.HTTPConfig{CAFile: s.caFile, Timeout: 30 * time.Second},
		Backend: backend.Config{MaxAge: time.Minute, RefusalAge: 5 * time.Second, Timeout: 30 * time.Second, Breaker: backend.Breaker{Failures: 1000}},
		Rules:   introspection.Rules{Audiences: []string{"nats"}},
		Now:     time.Now,
	}
}

func newVerifier(tb testing.TB, cfg introspection.Config) *introspection.Verifier {
	tb.Helper()
	v, err := introspection.NewVerifier(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// clock is a clock that stands still.
type clock struct{ now atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	c.now.Store(&now)
	return c
}

func (c *clock) Now() time.Time { return *c.now.Load() }

func (c *clock) advance(d time.Duration) {
	now := c.Now().Add(d)
	c.now.Store(&now)
}
