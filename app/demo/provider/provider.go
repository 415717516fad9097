package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The paths of the endpoints below the issuer.
const (
	pathDiscovery = "/.well-known/openid-configuration"
	pathKeys      = "/keys"
	pathAuthorize = "/authorize"
	pathToken     = "/token"
	pathDevice    = "/device" // the page for a person
	pathDeviceAPI = "/device_authorization"
)

// User is somebody who can log in.
type User struct {
	Name   string
	Groups []string
}

// Config configures a Provider. Every field is required.
type Config struct {
	Issuer   string // http URL of a loopback address
	ClientID string // of the only client, which is public: it has no secret
	Audience string // of access tokens
	Users    []User
	Lifetime time.Duration // of tokens
	Now      func() time.Time
	Random   io.Reader
}

func (c *Config) valid() error {
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if addr, err := netip.ParseAddr(u.Hostname()); u.Scheme != "http" || err != nil || !addr.IsLoopback() || u.Path != "" {
		return errors.New("issuer: expected http://ADDRESS:PORT with a loopback address")
	}
	if c.ClientID == "" || c.Audience == "" || len(c.Users) == 0 || c.Lifetime <= 0 || c.Now == nil || c.Random == nil {
		return errors.New("a field of the configuration is not set")
	}
	return nil
}

// Provider is the provider. It is an http.Handler.
type Provider struct {
	cfg     Config
	access  jose.Signer // of access tokens
	id      jose.Signer // of ID tokens
	keys    jose.JSONWebKeySet
	page    *template.Template
	handler http.Handler

	mu      sync.Mutex
	codes   map[string]authorization // by authorization code
	devices map[string]*device       // by device code
}

// maxPending limits the logins that are under way. The oldest are forgotten.
const maxPending = 1000

// New returns a provider with a new key.
func New(cfg Config) (*Provider, error) {
	if err := cfg.valid(); err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	p := &Provider{cfg: cfg, codes: map[string]authorization{}, devices: map[string]*device{}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), cfg.Random)
	if err != nil {
		return nil, err
	}
	private := jose.JSONWebKey{Key: key, KeyID: p.random(8), Algorithm: string(jose.ES256), Use: "sig"}
	p.keys.Keys = []jose.JSONWebKey{private.Public()}
	for typ, signer := range map[jose.ContentType]*jose.Signer{"at+jwt": &p.access, "JWT": &p.id} {
		*signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, (&jose.SignerOptions{}).WithType(typ))
		if err != nil {
			return nil, err
		}
	}
	if p.page, err = template.New("page").Parse(pageText); err != nil {
		return nil, err
	}
	p.handler = http.NewCrossOriginProtection().Handler(p.routes())
	return p, nil
}

func (p *Provider) routes() http.Handler {
	var mux http.ServeMux
	mux.HandleFunc("GET "+pathDiscovery, p.discovery)
	mux.HandleFunc("GET "+pathKeys, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, p.keys) })
	mux.HandleFunc("GET "+pathAuthorize, p.authorizePage)
	mux.HandleFunc("POST "+pathAuthorize, p.authorize)
	mux.HandleFunc("GET "+pathDevice, p.devicePage)
	mux.HandleFunc("POST "+pathDevice, p.approveDevice)
	mux.HandleFunc("POST "+pathDeviceAPI, p.startDevice)
	mux.HandleFunc("POST "+pathToken, p.token)
	return &mux
}

// maxBody is the maximum size of a request body in bytes.
const maxBody = 16 << 10

// ServeHTTP implements http.Handler. It refuses a request for another host, which a page
// elsewhere may have sent through the browser (DNS rebinding).
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if "http://"+r.Host != p.cfg.Issuer {
		http.Error(w, "this is "+p.cfg.Issuer, http.StatusMisdirectedRequest)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	p.handler.ServeHTTP(w, r)
}

// discovery serves the metadata (OpenID Connect Discovery 1.0, RFC 8414).
func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                p.cfg.Issuer,
		"jwks_uri":                              p.cfg.Issuer + pathKeys,
		"authorization_endpoint":                p.cfg.Issuer + pathAuthorize,
		"token_endpoint":                        p.cfg.Issuer + pathToken,
		"device_authorization_endpoint":         p.cfg.Issuer + pathDeviceAPI,
		"response_types_supported":              []string{"code"},
		"grant_types_supported":                 []string{grantCode, grantDevice},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{string(jose.ES256)},
		"code_challenge_methods_supported":      []string{challengeS256},
		"token_endpoint_auth_methods_supported": []string{"none"},
		"scopes_supported":                      []string{"openid", "profile", "groups"},
	})
}

// user returns the user with this name.
func (p *Provider) user(name string) (User, bool) {
	for _, u := range p.cfg.Users {
		if u.Name == name {
			return u, true
		}
	}
	return User{}, false
}

// random returns n random bytes as base64url.
func (p *Provider) random(n int) string {
	b := make([]byte, n)
	if _, err := io.ReadFull(p.cfg.Random, b); err != nil {
		panic(err) // crypto/rand does not fail
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}

// fail answers with an error of OAuth 2.0 (RFC 6749 section 5.2).
func fail(w http.ResponseWriter, code, description string) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
}

// forgetOldest removes entries that have ended, and the one that ends first if there are
// too many.
func forgetOldest[T any](all map[string]T, end func(T) time.Time, now time.Time) {
	oldest := ""
	for k, v := range all {
		if !now.Before(end(v)) {
			delete(all, k)
		} else if oldest == "" || end(v).Before(end(all[oldest])) {
			oldest = k
		}
	}
	if len(all) >= maxPending {
		delete(all, oldest)
	}
}
