package introspection

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"usher/identity"
	"usher/tokens"
	"usher/tokens/backend"
)

// Codes of the rejections, as docs/reference/errors.md lists them.
const (
	CodeInactive    = "introspection_inactive"
	CodeIssuer      = "introspection_issuer"
	CodeAudience    = "introspection_audience"
	CodeScope       = "introspection_scope"
	CodeExpired     = "introspection_expired"
	CodeNotYetValid = "introspection_not_yet_valid"
	CodeBound       = "introspection_bound"
	CodeNoID        = "introspection_no_id"
)

// Config describes the endpoint of one authorization server.
type Config struct {
	Name      string             // of the configuration
	Authority identity.Authority // of the identities
	URL       string             // as backend.CheckURL wants it

	Authentication Authentication
	HTTP           backend.HTTPConfig
	Backend        backend.Config // Name and Now are set by NewVerifier
	TokenTypeHint  string         // RFC 7662 section 2.1; empty: none

	Form Form
	Rules

	Now func() time.Time
}

// Verifier asks one introspection endpoint.
type Verifier struct {
	name     string
	endpoint *endpoint
	form     form
	backend  *backend.Backend
	rules    Rules
	now      func() time.Time
}

// The endpoint is another system.
var (
	_ tokens.Slow      = (*Verifier)(nil)
	_ tokens.Prober    = (*Verifier)(nil)
	_ tokens.Forgetter = (*Verifier)(nil)
)

// NewVerifier reads the files of the configuration and returns a Verifier. Its errors
// begin with the name of the configuration key.
func NewVerifier(cfg Config) (*Verifier, error) { //nolint:gocritic // a description, used once
	if err := backend.CheckURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	accepted, err := cfg.Form.compile()
	if err != nil {
		return nil, err
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	authenticate, err := cfg.Authentication.prepare(cfg.URL, &cfg.HTTP, cfg.Now)
	if err != nil {
		return nil, err
	}
	client, err := backend.NewHTTPClient(cfg.HTTP)
	if err != nil {
		return nil, err
	}
	name := "introspection:" + cfg.Name
	cfg.authority = cfg.Authority
	cfg.Backend.Name, cfg.Backend.Now = name, cfg.Now
	return &Verifier{
		name:     name,
		endpoint: &endpoint{url: cfg.URL, hint: cfg.TokenTypeHint, client: client, authenticate: authenticate},
		form:     accepted,
		backend:  backend.New(cfg.Backend),
		rules:    cfg.Rules,
		now:      cfg.Now,
	}, nil
}

// Name returns "introspection:" and the name of the configuration.
func (v *Verifier) Name() string { return v.name }

func keyOf(token string) [sha256.Size]byte { return backend.Key("introspection", token) }

// Slow reports whether the endpoint has to be asked about the token.
func (v *Verifier) Slow(c *tokens.Credential) bool {
	token := c.TokenToShow()
	return v.form.accepts(token) && !v.backend.Cached(keyOf(token))
}

// Verify implements tokens.Verifier.
//
// A token that is not active is rejected if it has the configured prefix or pattern, which
// makes it one of this authorization server. Without them, another verifier may know it.
func (v *Verifier) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	token := c.TokenToShow()
	if !v.form.accepts(token) {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	a, err := v.backend.Ask(ctx, keyOf(token), func(ctx context.Context) (backend.Answer, error) {
		return v.ask(ctx, token)
	})
	switch {
	case err != nil:
		return identity.Identity{}, err
	case a.Refusal != nil && a.Refusal.Code == CodeInactive && !v.form.distinct:
		return identity.Identity{}, tokens.Unknown(a.Refusal.Code, a.Refusal.Cause)
	case a.Refusal != nil:
		return identity.Identity{}, a.Refusal
	}
	id := a.Identity
	if id.Selection, err = c.Selection(); err != nil {
		return identity.Identity{}, tokens.Reject(tokens.CodeSelection, err.Error(), a.Identity)
	}
	return id, nil
}

func (v *Verifier) ask(ctx context.Context, token string) (backend.Answer, error) {
	response, err := v.endpoint.introspect(ctx, token)
	if err != nil {
		return backend.Answer{}, err
	}
	return v.rules.judge(response, v.now())
}

// Status implements tokens.Observable.
func (v *Verifier) Status() tokens.Status { return v.backend.Status() }

// Forget implements tokens.Forgetter.
func (v *Verifier) Forget(match func(*identity.Identity) bool) { v.backend.Forget(match) }

// Probe asks the endpoint about a token that nobody has, so that Status says whether it can
// be used, and whether it tells tokens apart.
func (v *Verifier) Probe(ctx context.Context) {
	token := madeUpToken()
	_, _ = v.backend.Ask(ctx, keyOf(token), func(ctx context.Context) (backend.Answer, error) { // Status has the error
		response, err := v.endpoint.introspect(ctx, token)
		if err == nil && response["active"] != false {
			err = errors.New("it does not answer active: false about a token that does not exist")
		}
		return backend.Answer{Refusal: &tokens.Reason{Code: CodeInactive}, Until: v.now()}, err
	})
}

// endpoint is an introspection endpoint.
type endpoint struct {
	url          string
	hint         string
	client       *http.Client
	authenticate authenticator
}
