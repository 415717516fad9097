package webhook_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usher/tokens"
	"usher/tokens/backend"
	"usher/tokens/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "0123456789abcdef0123456789abcdef"

// reply is what the endpoint answers to a credential.
type reply struct {
	status int // 0: 200
	body   string
	header map[string]string
}

// endpoint is an HTTPS server that keeps what it is asked.
type endpoint struct {
	server *httptest.Server
	caFile string

	mu      sync.Mutex
	replies map[string]reply // by token or password; others are unknown
	bodies  [][]byte
	headers []http.Header
}

func newEndpoint(tb testing.TB, replies map[string]reply) *endpoint {
	tb.Helper()
	e := &endpoint{replies: replies, caFile: filepath.Join(tb.TempDir(), "ca.pem")}
	e.server = httptest.NewUnstartedServer(http.HandlerFunc(e.serve))
	e.server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	e.server.StartTLS()
	tb.Cleanup(e.server.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.server.Certificate().Raw})
	if err := os.WriteFile(e.caFile, text, 0o600); err != nil {
		tb.Fatal(err)
	}
	return e
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var q struct {
		Credential struct{ Token, Password string } `json:"credential"`
	}
	_ = json.Unmarshal(body, &q)
	e.mu.Lock()
	e.bodies, e.headers = append(e.bodies, body), append(e.headers, r.Header)
	out, ok := e.replies[q.Credential.Token+q.Credential.Password]
	e.mu.Unlock()
	if !ok {
		out.body = `{"unknown":true}`
	}
	w.Header().Set("Content-Type", "application/json")
	for name, value := range out.header {
		w.Header().Set(name, value)
	}
	if out.status != 0 {
		w.WriteHeader(out.status)
	}
	_, _ = io.WriteString(w, out.body)
}

// calls returns how often the endpoint was asked.
func (e *endpoint) calls() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.bodies)
}

// last returns the last request.
func (e *endpoint) last(tb testing.TB) (http.Header, []byte) {
	tb.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.bodies) == 0 {
		tb.Fatal("the endpoint was not asked")
	}
	return e.headers[len(e.headers)-1], e.bodies[len(e.bodies)-1]
}

// verifier returns a verifier that asks the endpoint, for tokens that begin with "sess_".
func (e *endpoint) verifier(tb testing.TB, change func(*webhook.Config)) *webhook.Verifier {
	tb.Helper()
	return newVerifier(tb, e.server.URL+"/verify", e.caFile, change)
}

func newVerifier(tb testing.TB, url, caFile string, change func(*webhook.Config)) *webhook.Verifier {
	tb.Helper()
	client, err := backend.NewHTTPClient(backend.HTTPConfig{CAFile: caFile, Timeout: 10 * time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.CloseIdleConnections)
	var ids ids
	cfg := webhook.Config{
		Authority: "sso", URL: url, Client: client,
		Sign: webhook.NewHMAC(func() (string, error) { return secret, nil }),
		Send: webhook.KindToken, Prefix: "sess_", Facts: webhook.Facts(),
		Backend: backend.Config{MaxAge: time.Hour, RefusalAge: time.Hour, Timeout: 10 * time.Second, Now: time.Now},
		Now:     time.Now, NewID: ids.next,
	}
	if change != nil {
		change(&cfg)
	}
	return webhook.NewVerifier(cfg)
}

// ids are the ids of calls.
type ids struct {
	mu sync.Mutex
	n  int
}

func (i *ids) next() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.n++
	return fmt.Sprintf("call-%d", i.n)
}

func token(text string) *tokens.Credential { return &tokens.Credential{AuthToken: text} }

const alice = `{"identity":{"id":"alice","attributes":{"groups":["staff"]}}}`

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }
