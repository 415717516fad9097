package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"usher/tokens"
	"usher/tokens/backend"
	"usher/tokens/oidc"
	"usher/tokens/oidc/keyset"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// key is a private key of a provider.
type key struct {
	kid, alg string
	private  crypto.Signer
}

func newKey(tb testing.TB, kid, alg string) key {
	tb.Helper()
	var private crypto.Signer
	var err error
	switch alg {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA", "Ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	must(tb, err)
	return key{kid, alg, private}
}

// sign returns the signature of a text, made as RFC 7518 says, without a library.
func (k key) sign(tb testing.TB, text string) []byte {
	tb.Helper()
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[k.alg[2:]]
	digest := []byte(text)
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest)
		must(tb, err)
		size := (private.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case *rsa.PrivateKey:
		opts := crypto.SignerOpts(hash)
		if strings.HasPrefix(k.alg, "PS") {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		}
		signature, err := private.Sign(rand.Reader, digest, opts)
		must(tb, err)
		return signature
	default:
		signature, err := private.Sign(rand.Reader, digest, crypto.Hash(0))
		must(tb, err)
		return signature
	}
}

func encode[T ~string | ~[]byte](text T) string {
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// raw returns a token with this header and payload, whatever they are.
func (k key) raw(tb testing.TB, header, payload string) string {
	tb.Helper()
	signed := encode(header) + "." + encode(payload)
	return signed + "." + encode(k.sign(tb, signed))
}

func (k key) header(typ string) string {
	if typ == "" {
		return fmt.Sprintf(`{"alg":%q,"kid":%q}`, k.alg, k.kid)
	}
	return fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":%q}`, k.alg, k.kid, typ)
}

// token returns an access token with these claims.
func (k key) token(tb testing.TB, claims map[string]any) string {
	tb.Helper()
	return k.raw(tb, k.header("at+jwt"), toJSON(tb, claims))
}

func (k key) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Algorithm: k.alg, Use: "sig"}
}

func toJSON(tb testing.TB, v any) string {
	tb.Helper()
	text, err := json.Marshal(v)
	must(tb, err)
	return string(text)
}

func keySet(tb testing.TB, keys ...key) string {
	tb.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, k.public())
	}
	return toJSON(tb, set)
}

// provider is an identity provider that serves its documents over TLS.
type provider struct {
	*httptest.Server
	caFile  string
	fetches atomic.Int64 // of its key set

	mu   sync.Mutex
	keys string           // its key set
	do   http.HandlerFunc // instead of serving the key set; nil: serve it
}

func newProvider(tb testing.TB, keys ...key) *provider {
	tb.Helper()
	p := &provider{keys: keySet(tb, keys...)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, p.URL, p.URL+"/keys")
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		p.mu.Lock()
		keys, do := p.keys, p.do
		p.mu.Unlock()
		if do != nil {
			do(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		fmt.Fprint(w, keys)
	})
	p.Server = httptest.NewTLSServer(mux)
	tb.Cleanup(p.Close)
	p.caFile = filepath.Join(tb.TempDir(), "ca.pem")
	must(tb, os.WriteFile(p.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}), 0o600))
	return p
}

func (p *provider) set(keys string, do http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys, p.do = keys, do
}

// authority returns the configuration for the access tokens of the provider.
func (p *provider) authority(tb testing.TB) oidc.Authority {
	tb.Helper()
	client, err := backend.NewHTTPClient(backend.HTTPConfig{CAFile: p.caFile, Timeout: 10 * time.Second})
	must(tb, err)
	tb.Cleanup(client.CloseIdleConnections)
	return oidc.Authority{
		Name: "main", Issuer: p.URL, TokenType: oidc.TypeAccess, Audiences: []string{"nats"}, Leeway: oidc.DefaultLeeway,
		Keys: keyset.Config{
			Source:  &keyset.HTTP{Client: client, Issuer: p.URL},
			Refresh: 15 * time.Minute, Cooldown: 10 * time.Second, Timeout: 10 * time.Second, MaxAge: 24 * time.Hour,
		},
	}
}

// start is where the clock of a test starts. It is whole seconds, as the times of tokens
// are.
func start() time.Time { return time.Date(2027, 3, 4, 5, 6, 7, 0, time.UTC) }

// clock is a clock that a test sets.
type clock struct{ nanoseconds atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanoseconds.Store(start().UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.nanoseconds.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.nanoseconds.Add(int64(d)) }

func newVerifier(tb testing.TB, now func() time.Time, authorities ...oidc.Authority) *oidc.Verifier {
	tb.Helper()
	v, err := oidc.NewVerifier(authorities, now)
	must(tb, err)
	return v
}

// claims returns the claims of a good access token, with changes: a nil removes a claim.
func claims(issuer string, changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": issuer, "sub": "alice", "aud": "nats", "client_id": "cli", "jti": "1", "scope": "a b",
		"iat": start().Add(-time.Hour).Unix(), "exp": start().Add(time.Hour).Unix(),
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func bearer(text string) *tokens.Credential { return &tokens.Credential{AuthToken: text} }
