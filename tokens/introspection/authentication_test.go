package introspection_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"usher/tokens"
	"usher/tokens/introspection"
)

// authenticates fails unless the server, which checks requests, verifies a token with cfg.
func authenticates(t *testing.T, s *server, cfg introspection.Config) { //nolint:gocritic // in tests
	t.Helper()
	s.set(good, response(t, nil))
	v := newVerifier(t, cfg)
	if id, err := v.Verify(t.Context(), credential(good)); err != nil || id.ID != "alice" {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestBasic(t *testing.T) {
	s := newServer(t, nil)
	s.check(func(r *http.Request) bool {
		id, password, ok := r.BasicAuth()
		id, err := url.QueryUnescape(id)
		password, err2 := url.QueryUnescape(password)
		return ok && err == nil && err2 == nil && id == clientID && password == secret && !r.PostForm.Has("client_id")
	})
	authenticates(t, s, s.config(t))
}

func TestPost(t *testing.T) {
	s := newServer(t, nil)
	s.check(func(r *http.Request) bool {
		return r.PostForm.Get("client_id") == clientID && r.PostForm.Get("client_secret") == secret &&
			r.Header.Get("Authorization") == "" && r.PostForm.Get("token_type_hint") == "access_token"
	})
	cfg := s.config(t)
	cfg.Authentication.Method, cfg.TokenTypeHint = introspection.MethodPost, "access_token"
	authenticates(t, s, cfg)
}

// A replaced secret is used without a restart.
func TestBearer(t *testing.T) {
	s := newServer(t, nil)
	cfg := s.config(t)
	cfg.Backend.MaxAge = 0
	file := filepath.Join(t.TempDir(), "token")
	cfg.Authentication = introspection.Authentication{Method: introspection.MethodBearer, TokenFile: file}
	write(t, file, []byte("first"))
	v := newVerifier(t, cfg)
	s.set(good, response(t, nil))
	for i, want := range []string{"first", "second"} {
		write(t, file, []byte(want))
		s.check(func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+want })
		verify(t, v, s, good, int32(i+1))
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), credential(good)); !errors.Is(err, tokens.ErrUnavailable) || !strings.Contains(err.Error(), "token_file") {
		t.Errorf("got %v", err)
	}
}

func pemOf(t *testing.T, kind string, der []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pemOf(t, "PRIVATE KEY", der, err)
}

func newRSA(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEC(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func jwk(t *testing.T, key any, id, alg string) []byte {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: id, Algorithm: alg})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The server verifies the signature and the claims of each assertion.
func TestPrivateKeyJWT(t *testing.T) {
	r, ec := newRSA(t, 2048), newEC(t, elliptic.P256())
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec384, ec521 := newEC(t, elliptic.P384()), newEC(t, elliptic.P521())
	ecDER, ecErr := x509.MarshalECPrivateKey(ec)
	tests := []struct {
		name     string
		file     []byte
		key      crypto.Signer
		auth     introspection.Authentication
		alg, kid string
		audience string
	}{
		{"RSA", pkcs8(t, r), r, introspection.Authentication{}, "RS256", "", ""},
		{"RSA PKCS 1", pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), nil), r, introspection.Authentication{Algorithm: "PS256", KeyID: "k1"}, "PS256", "k1", ""},
		{"P-256", pkcs8(t, ec), ec, introspection.Authentication{Audience: "https://id.example"}, "ES256", "", "https://id.example"},
		{"P-256 SEC 1", pemOf(t, "EC PRIVATE KEY", ecDER, ecErr), ec, introspection.Authentication{}, "ES256", "", ""},
		{"P-384", pkcs8(t, ec384), ec384, introspection.Authentication{}, "ES384", "", ""},
		{"P-521", pkcs8(t, ec521), ec521, introspection.Authentication{}, "ES512", "", ""},
		{"Ed25519", pkcs8(t, ed), ed, introspection.Authentication{}, "EdDSA", "", ""},
		{"JWK", jwk(t, ec, "k2", "ES256"), ec, introspection.Authentication{}, "ES256", "k2", ""},
		{"JWK with another id", jwk(t, r, "k2", "RS256"), r, introspection.Authentication{KeyID: "k3", Algorithm: "RS512"}, "RS512", "k3", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, nil)
			audience := tt.audience
			if audience == "" {
				audience = s.url
			}
			seen := map[string]bool{}
			s.check(func(r *http.Request) bool {
				form := r.PostForm
				if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || form.Get("client_id") != clientID || form.Has("client_secret") {
					return false
				}
				token, err := jwt.ParseSigned(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(tt.alg)})
				if err != nil || token.Headers[0].KeyID != tt.kid {
					return false
				}
				var c jwt.Claims
				if token.Claims(tt.key.Public(), &c) != nil || seen[c.ID] || c.ID == "" {
					return false
				}
				seen[c.ID] = true
				return c.ValidateWithLeeway(jwt.Expected{Issuer: clientID, Subject: clientID, AnyAudience: jwt.Audience{audience}, Time: time.Now()}, time.Second) == nil &&
					c.Expiry.Time().Before(time.Now().Add(2*time.Minute))
			})
			cfg := s.config(t)
			cfg.Backend.MaxAge = 0
			tt.auth.Method, tt.auth.ClientID = introspection.MethodPrivateKeyJWT, clientID
			tt.auth.KeyFile = write(t, filepath.Join(t.TempDir(), "key"), tt.file)
			cfg.Authentication = tt.auth
			v := newVerifier(t, cfg)
			s.set(good, response(t, nil))
			verify(t, v, s, good, 1)
			verify(t, v, s, good, 2)
		})
	}
}

// The server demands a client certificate and verifies it.
func TestMutualTLS(t *testing.T) {
	key := newEC(t, elliptic.P256())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "usher"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(c *tls.Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AddCert(certificate)
	})
	s.check(func(r *http.Request) bool {
		return r.TLS.PeerCertificates[0].Equal(certificate) && r.PostForm.Get("client_id") == clientID && r.Header.Get("Authorization") == ""
	})
	folder := t.TempDir()
	cfg := s.config(t)
	cfg.Authentication = introspection.Authentication{Method: introspection.MethodTLS, ClientID: clientID}
	cfg.HTTP.CertFile = write(t, filepath.Join(folder, "cert.pem"), pemOf(t, "CERTIFICATE", der, nil))
	cfg.HTTP.KeyFile = write(t, filepath.Join(folder, "key.pem"), pkcs8(t, key))
	authenticates(t, s, cfg)

	without := s.config(t) // with a secret, and without a certificate
	if _, err := newVerifier(t, without).Verify(t.Context(), credential(good)); !errors.Is(err, tokens.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// What is wrong with a configuration, by the key that the error begins with.
func TestConfiguration(t *testing.T) {
	s := newServer(t, nil)
	folder := t.TempDir()
	open := write(t, filepath.Join(folder, "open"), []byte("x"))
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	file := func(text []byte) string { return write(t, filepath.Join(t.TempDir(), "file"), text) }
	keyFile := func(path, alg string) func(*introspection.Config) {
		return func(c *introspection.Config) {
			c.Authentication = introspection.Authentication{Method: introspection.MethodPrivateKeyJWT, ClientID: "x", KeyFile: path, Algorithm: alg}
		}
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: newEC(t, elliptic.P256()).Public()})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		want   string
		change func(*introspection.Config)
	}{
		{"url: must begin with https://", func(c *introspection.Config) { c.URL = "http://id.example/introspect" }},
		{"audiences: must not be empty", func(c *introspection.Config) { c.Audiences = nil }},
		{"any_audience: must not be true", func(c *introspection.Config) { c.AnyAudience = true }},
		{"pattern: ", func(c *introspection.Config) { c.Form.Pattern = "(" }},
		{"prefix: ", func(c *introspection.Config) { c.Form.Prefix = "usher_" }},
		{"client_id: ", func(c *introspection.Config) { c.Authentication.ClientID = "" }},
		{"client_secret_file: must be set", func(c *introspection.Config) { c.Authentication.ClientSecretFile = "" }},
		{"client_secret_file: ", func(c *introspection.Config) { c.Authentication.ClientSecretFile = open }},
		{"client_secret_file: cannot be read", func(c *introspection.Config) {
			c.Authentication.Method, c.Authentication.ClientSecretFile = introspection.MethodPost, "the-secret-itself"
		}},
		{"token_file: must be set", func(c *introspection.Config) { c.Authentication.Method = introspection.MethodBearer }},
		{"cert_file: must be set", func(c *introspection.Config) { c.Authentication.Method = introspection.MethodTLS }},
		{"authentication: none is for", func(c *introspection.Config) {
			c.URL, c.Authentication.Method = "https://id.example/introspect", introspection.MethodNone
		}},
		{"authentication: must be one of", func(c *introspection.Config) { c.Authentication.Method = "digest" }},
		{"ca_file: ", func(c *introspection.Config) { c.HTTP.CAFile = "/nowhere" }},
		{"key_file: must be set", keyFile("", "")},
		{"key_file: cannot be read", keyFile("/nowhere", "")},
		{"key_file: ", keyFile(open, "")},
		{"key_file: is not a private key", keyFile(file([]byte("hush")), "")},
		{"key_file: is not a private key", keyFile(file(public), "")},
		{"key_file: is not a private key", keyFile(file(jwk(t, []byte("symmetric"), "", "HS256")), "")},
		{"key_file: is not a private key", keyFile(file(pemOf(t, "PRIVATE KEY", []byte("x"), nil)), "")},
		{"key_file: is an RSA key of less than 2048 bits", keyFile(file(pkcs8(t, newRSA(t, 1024))), "")},
		{"algorithm: ", keyFile(file(pkcs8(t, newEC(t, elliptic.P256()))), "RS256")},
		{"algorithm: ", keyFile(file(pkcs8(t, newEC(t, elliptic.P256()))), "ES384")},
		{"algorithm: ", keyFile(file(pkcs8(t, newRSA(t, 2048))), "none")},
		{"algorithm: ", keyFile(file(pkcs8(t, newRSA(t, 2048))), "HS256")},
	}
	for _, tt := range tests {
		cfg := s.config(t)
		tt.change(&cfg)
		_, err := introspection.NewVerifier(cfg)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
			continue
		}
		if strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "the-secret-itself") {
			t.Errorf("shows a secret: %v", err)
		}
	}
}
