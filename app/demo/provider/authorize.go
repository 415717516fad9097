package provider

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

const (
	challengeS256 = "S256"
	codeLifetime  = time.Minute
)

// authorization is a login that its client has not exchanged for tokens yet.
type authorization struct {
	user        User
	redirectURI string
	challenge   string // code_challenge
	nonce       string
	ends        time.Time
}

// authorizationRequest checks an authorization request (RFC 6749 section 4.1.1). It does
// not redirect to an address that is not known to be the client's.
func (p *Provider) authorizationRequest(w http.ResponseWriter, r *http.Request) (redirect *url.URL, ok bool) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return nil, false
	}
	redirect, err := url.Parse(r.Form.Get("redirect_uri"))
	switch {
	case r.Form.Get("client_id") != p.cfg.ClientID:
		http.Error(w, "client_id is not "+p.cfg.ClientID, http.StatusBadRequest)
	case err != nil || !isLoopback(redirect):
		http.Error(w, "redirect_uri is not an http URL of a loopback address (RFC 8252 section 7.3)", http.StatusBadRequest)
	case r.Form.Get("response_type") != "code":
		http.Error(w, "response_type is not code", http.StatusBadRequest)
	case r.Form.Get("code_challenge_method") != challengeS256 || r.Form.Get("code_challenge") == "":
		http.Error(w, "code_challenge with method S256 is missing (RFC 7636)", http.StatusBadRequest)
	default:
		return redirect, true
	}
	return nil, false
}

func isLoopback(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && u.User == nil && u.Fragment == "" && (err == nil && addr.IsLoopback() || u.Hostname() == "localhost")
}

// authorizePage asks who logs in.
func (p *Provider) authorizePage(w http.ResponseWriter, r *http.Request) {
	if _, ok := p.authorizationRequest(w, r); ok {
		p.show(w, pageData{Title: "Log in to usher dev", Hidden: r.Form, Users: p.cfg.Users})
	}
}

// authorize sends the browser back to the client with a code.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	redirect, ok := p.authorizationRequest(w, r)
	if !ok {
		return
	}
	user, ok := p.user(r.Form.Get("user"))
	if !ok {
		http.Error(w, "no such user", http.StatusBadRequest)
		return
	}
	code := p.random(32)
	now := p.cfg.Now()
	p.mu.Lock()
	forgetOldest(p.codes, func(a authorization) time.Time { return a.ends }, now)
	p.codes[code] = authorization{
		user: user, redirectURI: r.Form.Get("redirect_uri"),
		challenge: r.Form.Get("code_challenge"), nonce: r.Form.Get("nonce"), ends: now.Add(codeLifetime),
	}
	p.mu.Unlock()
	query := redirect.Query()
	query.Set("code", code)
	query.Set("iss", p.cfg.Issuer) // RFC 9207
	if state := r.Form.Get("state"); state != "" {
		query.Set("state", state)
	}
	redirect.RawQuery = query.Encode()
	http.Redirect(w, r, redirect.String(), http.StatusSeeOther) //nolint:gosec // to a loopback address: authorizationRequest has checked it
}

// takeCode returns the authorization of a code, which can be used once.
func (p *Provider) takeCode(form url.Values) (authorization, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	code := form.Get("code")
	a, ok := p.codes[code]
	delete(p.codes, code)
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	return a, ok && p.cfg.Now().Before(a.ends) && a.redirectURI == form.Get("redirect_uri") &&
		subtle.ConstantTimeCompare([]byte(challenge), []byte(a.challenge)) == 1
}
