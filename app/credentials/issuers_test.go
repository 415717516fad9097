package credentials_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"usher/callout/callouttest"
	"usher/tokens/automate/automatetest"
)

// audience is the audience of all tokens.
const audience = "nats"

// signer is an issuer of JWTs with one key.
type signer struct {
	issuer, typ string
	key         *ecdsa.PrivateKey
}

func newSigner(tb testing.TB, issuer, typ string) *signer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	callouttest.Must(tb, err)
	return &signer{issuer, typ, key}
}

// keySet returns the JSON Web Key Set of the issuer.
func (s *signer) keySet(tb testing.TB) []byte {
	tb.Helper()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.Public(), KeyID: "1", Algorithm: string(jose.ES256), Use: "sig"}}}
	text, err := json.Marshal(set)
	callouttest.Must(tb, err)
	return text
}

// token returns a JWT of a subject that ends after a duration.
func (s *signer) token(tb testing.TB, subject string, ends time.Duration, more map[string]any) string {
	tb.Helper()
	now := time.Now()
	claims := map[string]any{
		"iss": s.issuer, "sub": subject, "aud": []string{audience}, "client_id": "test", "jti": "1",
		"iat": now.Add(-time.Hour).Unix(), "nbf": now.Add(-time.Hour).Unix(), "exp": now.Add(ends).Unix(),
	}
	for k, v := range more {
		claims[k] = v
	}
	text, err := json.Marshal(claims)
	callouttest.Must(tb, err)
	opts := new(jose.SignerOptions).WithHeader("kid", "1")
	if s.typ != "" {
		opts = opts.WithType(jose.ContentType(s.typ))
	}
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.key}, opts)
	callouttest.Must(tb, err)
	signed, err := by.Sign(text)
	callouttest.Must(tb, err)
	token, err := signed.CompactSerialize()
	callouttest.Must(tb, err)
	return token
}

const serviceAccount = "system:serviceaccount:shop:"

// podToken returns the token of a service account in namespace shop.
func (s *signer) podToken(tb testing.TB, name, aud string) string {
	tb.Helper()
	return s.token(tb, serviceAccount+name, time.Hour, map[string]any{
		"aud":           []string{aud},
		"kubernetes.io": map[string]any{"namespace": "shop", "serviceaccount": map[string]any{"name": name, "uid": "1"}},
	})
}

// endpoint is an HTTP server of another system that usher asks, and counts how often.
type endpoint struct {
	*httptest.Server
	calls atomic.Int64
}

func newEndpoint(tb testing.TB, answer func(r *http.Request) any) *endpoint {
	tb.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(e.handler(answer))
	tb.Cleanup(e.Close)
	return e
}

func (e *endpoint) handler(answer func(r *http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e.calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer(r)) // to the connection
	}
}

// Tokens of the systems that usher asks are their prefix and who they are of. Those of
// refused are refused.
const (
	opaquePrefix = "opq_abcdefghijklm_" // 16 bytes at least are asked about
	deadPrefix   = "dead_abcdefghijklm_"
	hookPrefix   = "sess_"
	chefPrefix   = "chef_"
	refused      = "mallory"
)

// newIntrospection returns an authorization server (RFC 7662).
func newIntrospection(tb testing.TB) *endpoint {
	tb.Helper()
	return newEndpoint(tb, func(r *http.Request) any {
		who, ok := strings.CutPrefix(r.PostFormValue("token"), opaquePrefix)
		if !ok || who == refused {
			return map[string]any{"active": false}
		}
		return map[string]any{"active": true, "sub": who, "aud": audience, "exp": time.Now().Add(time.Hour).Unix()}
	})
}

// newDead returns an authorization server that closes every connection.
func newDead(tb testing.TB) *endpoint {
	tb.Helper()
	return newEndpoint(tb, func(*http.Request) any { panic(http.ErrAbortHandler) })
}

// newReviewer returns the API server of a Kubernetes cluster, which is asked by TokenReview.
// The pods of refused are gone.
func newReviewer(tb testing.TB, caFile string) *endpoint {
	tb.Helper()
	e := &endpoint{}
	e.Server = httptest.NewTLSServer(e.handler(func(r *http.Request) any {
		var review struct {
			Spec struct{ Token string }
		}
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			return map[string]any{}
		}
		parts := strings.Split(review.Spec.Token, ".")
		payload, err := base64.RawURLEncoding.DecodeString(parts[len(parts)/2])
		var claims struct{ Sub string }
		if err != nil || json.Unmarshal(payload, &claims) != nil {
			return map[string]any{}
		}
		status := map[string]any{"authenticated": false, "error": "service account token has been invalidated"}
		if claims.Sub != serviceAccount+refused {
			status = map[string]any{"authenticated": true, "user": map[string]any{"username": claims.Sub}, "audiences": []string{audience}}
		}
		return map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
	}))
	tb.Cleanup(e.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.Certificate().Raw})
	callouttest.Must(tb, os.WriteFile(caFile, ca, 0o600))
	return e
}

// newAutomate returns the services of a Chef Automate.
func newAutomate(tb testing.TB) *automatetest.Automate {
	tb.Helper()
	a := automatetest.New(tb)
	for _, who := range []string{"erin", "leaf"} {
		a.Set(chefPrefix+who, automatetest.Reply{Subject: who, Teams: []string{"team:local:ops"}, Projects: []string{"east"}})
	}
	return a
}

// newHook returns an endpoint of the user's own (docs/reference/webhook.md).
func newHook(tb testing.TB) *endpoint {
	tb.Helper()
	return newEndpoint(tb, func(r *http.Request) any {
		var asked struct {
			Credential struct {
				Token string `json:"token"`
			} `json:"credential"`
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &asked) != nil {
			return map[string]any{}
		}
		who, ok := strings.CutPrefix(asked.Credential.Token, hookPrefix)
		switch {
		case !ok:
			return map[string]any{"unknown": true}
		case who == refused:
			return map[string]any{"denied": map[string]any{"reason": "not welcome"}}
		default:
			return map[string]any{"identity": map[string]any{"id": who}}
		}
	})
}
