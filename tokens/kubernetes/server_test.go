package kubernetes_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"usher/callout/callouttest"
	"usher/tokens"
	"usher/tokens/backend"
	"usher/tokens/kubernetes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuer   = "https://kubernetes.default.svc.cluster.local"
	reviewer = "token-of-usher"
)

// cluster is an API server that reviews tokens as that of Kubernetes does: it signs tokens,
// knows which pods exist, and answers with the same fields and errors.
type cluster struct {
	server *httptest.Server
	ca     *callouttest.CA
	files  string // folder of ca.crt and token
	key    *ecdsa.PrivateKey

	mu       sync.Mutex
	cert     tls.Certificate
	bearer   string
	pods     map[string]bool // by UID
	calls    int
	override func(w http.ResponseWriter) bool // reports whether it has answered
}

func newCluster(tb testing.TB) *cluster {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	callouttest.Must(tb, err)
	k := &cluster{files: tb.TempDir(), key: key, bearer: reviewer, pods: map[string]bool{"web-1-uid": true}}
	k.renewCA(tb)
	k.write(tb, "token", reviewer+"\n")
	k.server = httptest.NewUnstartedServer(http.HandlerFunc(k.serve))
	k.server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	k.server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return &tls.Config{Certificates: []tls.Certificate{k.cert}}, nil
	}}
	k.server.StartTLS()
	tb.Cleanup(k.server.Close)
	return k
}

// renewCA gives the server a certificate of a new CA, and writes that CA.
func (k *cluster) renewCA(tb testing.TB) {
	tb.Helper()
	k.ca = callouttest.NewCA(tb)
	cert, err := tls.LoadX509KeyPair(k.ca.Issue(tb, "kubernetes"))
	callouttest.Must(tb, err)
	text, err := os.ReadFile(k.ca.File)
	callouttest.Must(tb, err)
	k.mu.Lock()
	k.cert = cert
	k.mu.Unlock()
	k.write(tb, "ca.crt", string(text))
}

func (k *cluster) write(tb testing.TB, name, text string) {
	tb.Helper()
	callouttest.Must(tb, os.WriteFile(filepath.Join(k.files, name), []byte(text), 0o644)) // as Kubernetes mounts it
}

func (k *cluster) change(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

func (k *cluster) called() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls
}

// token returns a signed token: that of pod web-1 of service account shop/web, for
// audience nats and an hour, with these changes. nil removes a claim.
func (k *cluster) token(changes map[string]any) string {
	claims := map[string]any{
		"iss": issuer, "sub": "system:serviceaccount:shop:web", "aud": []string{"nats"}, "exp": time.Now().Add(time.Hour).Unix(),
		"kubernetes.io": map[string]any{"pod": map[string]any{"name": "web-1", "uid": "web-1-uid"}},
	}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	part := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := part(map[string]any{"alg": "ES256", "kid": "k"}) + "." + part(claims)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k.key, digest[:])
	if err != nil {
		return ""
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func (k *cluster) serve(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	if k.override != nil && k.override(w) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Header.Get("Authorization") != "Bearer "+k.bearer:
		fail(w, http.StatusUnauthorized)
		return
	case r.Method != http.MethodPost || r.URL.Path != "/apis/authentication.k8s.io/v1/tokenreviews":
		fail(w, http.StatusNotFound)
		return
	}
	var q struct {
		APIVersion, Kind string
		Spec             struct {
			Token     string
			Audiences []string
		}
	}
	if json.NewDecoder(r.Body).Decode(&q) != nil || q.APIVersion != "authentication.k8s.io/v1" || q.Kind != "TokenReview" {
		fail(w, http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": q.Kind, "apiVersion": q.APIVersion, "metadata": map[string]any{"creationTimestamp": nil},
		"spec": q.Spec, "status": k.status(q.Spec.Token, q.Spec.Audiences),
	})
}

func fail(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d}`, status)
}

// status is what the authenticator of service accounts says.
func (k *cluster) status(token string, audiences []string) map[string]any {
	no := func(err string) map[string]any {
		s := map[string]any{"user": map[string]any{}}
		if err != "" {
			s["error"] = err
		}
		return s
	}
	var claims struct {
		Iss, Sub string
		Aud      []string
		Exp      int64
		About    struct {
			Pod, Node *struct{ Name, UID string }
		} `json:"kubernetes.io"`
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return no("")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.Iss != issuer {
		return no("")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if len(signature) != 64 || !ecdsa.Verify(&k.key.PublicKey, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return no("go-jose/go-jose: error in cryptographic primitive")
	}
	both := slices.DeleteFunc(slices.Clone(claims.Aud), func(a string) bool { return !slices.Contains(audiences, a) })
	switch {
	case len(both) == 0:
		return no(fmt.Sprintf("token audiences %q is invalid for the target audiences %q", claims.Aud, audiences))
	case claims.Exp < time.Now().Unix():
		return no("service account token has expired")
	case claims.About.Pod != nil && !k.pods[claims.About.Pod.UID]:
		return no("service account token has been invalidated")
	}
	extra := map[string]any{"authentication.kubernetes.io/credential-id": []string{"JTI=1"}}
	if p := claims.About.Pod; p != nil {
		extra["authentication.kubernetes.io/pod-name"], extra["authentication.kubernetes.io/pod-uid"] = []string{p.Name}, []string{p.UID}
	}
	if n := claims.About.Node; n != nil {
		extra["authentication.kubernetes.io/node-name"], extra["authentication.kubernetes.io/node-uid"] = []string{n.Name}, []string{n.UID}
	}
	return map[string]any{
		"authenticated": true, "audiences": both,
		"user": map[string]any{"username": claims.Sub, "uid": "web-uid", "groups": []string{"system:serviceaccounts"}, "extra": extra},
	}
}

func (k *cluster) config() kubernetes.Config {
	return kubernetes.Config{
		Authority: "main", URL: k.server.URL, TokenFile: filepath.Join(k.files, "token"),
		HTTP:   backend.HTTPConfig{CAFile: filepath.Join(k.files, "ca.crt"), Timeout: 10 * time.Second},
		Issuer: issuer, Audiences: []string{"nats", "queue"},
		Backend: backend.Config{MaxAge: time.Minute, RefusalAge: time.Minute, Timeout: 10 * time.Second},
		Now:     time.Now,
	}
}

func (k *cluster) verifier(tb testing.TB, change func(*kubernetes.Config)) *kubernetes.Verifier {
	tb.Helper()
	cfg := k.config()
	if change != nil {
		change(&cfg)
	}
	v, err := kubernetes.NewVerifier(cfg)
	callouttest.Must(tb, err)
	tb.Cleanup(func() { kubernetes.CloseIdle(v) })
	return v
}

func bearer(token string) *tokens.Credential { return &tokens.Credential{AuthToken: token} }
