package login

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Kind is the kind of token that a person wants.
type Kind string

// The kinds of tokens.
const (
	Access Kind = "access" // for the audience that the provider or Audience says
	ID     Kind = "id"     // for the client itself
)

// Config says at which provider, and as which client.
type Config struct {
	Issuer       string
	ClientID     string
	ClientSecret string // some providers give one to programs on people's machines; empty: none
	Scopes       []string
	Audience     string // parameter audience, as Auth0 asks for it; empty: not sent
	Resource     string // parameter resource (RFC 8707); empty: not sent
	Kind         Kind
	Client       *http.Client
	Now          func() time.Time

	// Show tells the person what to open. It is called once.
	Show func(Prompt) error
}

// Prompt is what the person has to do.
type Prompt struct {
	URL      string    // to open in a browser
	UserCode string    // to compare with or type into the page; empty with the browser on this machine
	Ends     time.Time // zero: not known
}

// Token is a token with what the provider says about it.
type Token struct {
	Text    string
	Subject string    // the sub of the ID token; empty: there was none
	Expires time.Time // zero: the provider did not say
}

// ErrNoToken: the provider did not answer with a token of the kind that was asked for.
var ErrNoToken = errors.New("the provider sent no such token")

// ErrCleartext: an issuer that is not reached over TLS.
var ErrCleartext = errors.New("the issuer must be an https URL, or http on a loopback address")

// session is one login.
type session struct {
	*Config
	provider *oidc.Provider
	oauth    oauth2.Config
	nonce    string
}

// begin discovers the provider.
func (cfg *Config) begin(ctx context.Context) (*session, context.Context, error) {
	if err := checkIssuer(cfg.Issuer); err != nil {
		return nil, nil, err
	}
	ctx = oidc.ClientContext(ctx, cfg.Client)
	provider, err := oidc.NewProvider(ctx, cfg.Issuer)
	if err != nil {
		return nil, nil, fmt.Errorf("discover the provider: %w", err)
	}
	s := &session{Config: cfg, provider: provider, oauth: oauth2.Config{
		ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, Scopes: cfg.Scopes, Endpoint: provider.Endpoint(),
	}}
	if cfg.ClientSecret == "" {
		s.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client has only its id
	}
	return s, ctx, nil
}

func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return ErrCleartext
	}
	addr, err := netip.ParseAddr(u.Hostname())
	onThisMachine := u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
	if u.Scheme == "https" || u.Scheme == "http" && onThisMachine {
		return nil
	}
	return ErrCleartext
}

// parameters are what the provider is asked besides.
func (s *session) parameters() []oauth2.AuthCodeOption {
	var all []oauth2.AuthCodeOption
	for name, value := range map[string]string{"audience": s.Audience, "resource": s.Resource, "nonce": s.nonce} {
		if value != "" {
			all = append(all, oauth2.SetAuthURLParam(name, value))
		}
	}
	return all
}

// token returns the token that was asked for. It verifies an ID token.
func (s *session) token(ctx context.Context, t *oauth2.Token) (Token, error) {
	out := Token{Text: t.AccessToken, Expires: t.Expiry}
	raw, _ := t.Extra("id_token").(string)
	if raw != "" {
		id, err := s.provider.Verifier(&oidc.Config{ClientID: s.ClientID, Now: s.Now}).Verify(ctx, raw)
		if err != nil {
			return Token{}, fmt.Errorf("verify the ID token: %w", err)
		}
		if id.Nonce != s.nonce && s.nonce != "" {
			return Token{}, errors.New("verify the ID token: it belongs to another login")
		}
		out.Subject = id.Subject
		if s.Kind == ID {
			out.Text, out.Expires = raw, id.Expiry
		}
	}
	if out.Text == "" || s.Kind == ID && raw == "" {
		return Token{}, fmt.Errorf("%w: %s token", ErrNoToken, s.Kind)
	}
	return out, nil
}

// Device logs in with a browser on any device (RFC 8628).
func (cfg Config) Device(ctx context.Context) (Token, error) { //nolint:gocritic // the caller keeps its own
	s, ctx, err := cfg.begin(ctx)
	if err != nil {
		return Token{}, err
	}
	if s.oauth.Endpoint.DeviceAuthURL == "" {
		return Token{}, errors.New("the provider has no device authorization endpoint")
	}
	asked, err := s.oauth.DeviceAuth(ctx, s.parameters()...)
	if err != nil {
		return Token{}, fmt.Errorf("ask for a device code: %w", err)
	}
	prompt := Prompt{URL: asked.VerificationURIComplete, UserCode: asked.UserCode, Ends: asked.Expiry}
	if prompt.URL == "" {
		prompt.URL = asked.VerificationURI
	}
	if err := s.Show(prompt); err != nil {
		return Token{}, err
	}
	t, err := s.oauth.DeviceAccessToken(ctx, asked)
	if err != nil {
		return Token{}, fmt.Errorf("wait for the login: %w", err)
	}
	return s.token(ctx, t)
}

// Browser logs in with a browser on this machine: the provider sends it back to an
// address of this machine, with a code that only this program can use (RFC 7636).
func (cfg Config) Browser(ctx context.Context) (Token, error) { //nolint:gocritic // the caller keeps its own
	s, ctx, err := cfg.begin(ctx)
	if err != nil {
		return Token{}, err
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return Token{}, fmt.Errorf("listen for the browser: %w", err)
	}
	s.oauth.RedirectURL = "http://" + l.Addr().String() + callbackPath
	verifier := oauth2.GenerateVerifier()
	s.nonce = oauth2.GenerateVerifier()
	back := newCallback(oauth2.GenerateVerifier(), s.Issuer)
	stop := back.serve(l)
	defer stop()
	if err := s.Show(Prompt{URL: s.oauth.AuthCodeURL(back.state, append(s.parameters(), oauth2.S256ChallengeOption(verifier))...)}); err != nil {
		return Token{}, err
	}
	code, err := back.wait(ctx)
	if err != nil {
		return Token{}, err
	}
	t, err := s.oauth.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Token{}, fmt.Errorf("exchange the code: %w", err)
	}
	return s.token(ctx, t)
}
