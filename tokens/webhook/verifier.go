package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"usher/identity"
	"usher/tokens"
	"usher/tokens/backend"
	"usher/tokens/form"
)

// Kind is the kind of credential that is sent to the endpoint.
type Kind string

// The kinds.
const (
	KindToken        Kind = "token"
	KindUserPassword Kind = "user_password"
)

// Config describes a Verifier.
type Config struct {
	Authority identity.Authority // the name of the endpoint in the configuration
	URL       string
	Client    *http.Client // as backend.NewHTTPClient makes it
	Sign      Signer

	Send   Kind   // what is sent
	Prefix string // tokens, or for KindUserPassword user names, that begin otherwise are not sent
	JWT    bool   // tokens in the form of a JWT are sent too
	Facts  []Fact // what else is sent

	Backend backend.Config // Name is set by NewVerifier
	Now     func() time.Time
	NewID   func() string // of a call; no two are the same
}

// Verifier asks an endpoint. It is safe for concurrent use.
type Verifier struct {
	cfg     Config
	name    string
	facts   map[Fact]bool
	backend *backend.Backend
}

var (
	_ tokens.Slow      = (*Verifier)(nil)
	_ tokens.Prober    = (*Verifier)(nil)
	_ tokens.Forgetter = (*Verifier)(nil)
)

// NewVerifier returns a Verifier.
func NewVerifier(cfg Config) *Verifier { //nolint:gocritic // a description, used once
	v := &Verifier{cfg: cfg, name: "webhook:" + string(cfg.Authority), facts: map[Fact]bool{}}
	for _, f := range cfg.Facts {
		v.facts[f] = true
	}
	v.cfg.Backend.Name = v.name
	v.backend = backend.New(v.cfg.Backend)
	return v
}

// Name returns "webhook:" and the name of the endpoint.
func (v *Verifier) Name() string { return v.name }

// Status implements tokens.Observable.
func (v *Verifier) Status() tokens.Status { return v.backend.Status() }

// Forget implements tokens.Forgetter.
func (v *Verifier) Forget(match func(*identity.Identity) bool) { v.backend.Forget(match) }

// Probe implements tokens.Prober: it asks the endpoint about a credential that nobody has.
func (v *Verifier) Probe(ctx context.Context) {
	made := v.cfg.Prefix + v.cfg.NewID()
	p := presented{Kind: KindToken, Token: made}
	if v.cfg.Send == KindUserPassword {
		p = presented{Kind: KindUserPassword, User: v.cfg.Prefix + "usher-check", Password: made}
	}
	c := &tokens.Credential{Password: made}
	_, _ = v.backend.Ask(ctx, v.key(&p, c), func(ctx context.Context) (backend.Answer, error) { // Status has the error
		a, err := v.ask(ctx, &p, c)
		if err == nil && a.Refusal == nil {
			err = errors.New("it answers with an identity to a credential that nobody has")
		}
		a.Until = v.cfg.Now() // not kept
		return a, err
	})
}

// Slow implements tokens.Slow.
func (v *Verifier) Slow(c *tokens.Credential) bool {
	p, err := v.present(c)
	return err == nil && !v.backend.Cached(v.key(&p, c))
}

// Verify implements tokens.Verifier.
func (v *Verifier) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	p, err := v.present(c)
	if err != nil {
		return identity.Identity{}, err
	}
	a, err := v.backend.Ask(ctx, v.key(&p, c), func(ctx context.Context) (backend.Answer, error) {
		return v.ask(ctx, &p, c)
	})
	switch {
	case err != nil:
		return identity.Identity{}, err
	case a.Refusal != nil && a.Refusal.Code == CodeUnknown:
		return identity.Identity{}, tokens.Unknown(a.Refusal.Code, a.Refusal.Cause)
	case a.Refusal != nil:
		return identity.Identity{}, a.Refusal
	}
	id := a.Identity
	id.Selection = p.selection
	if !id.NotAfter.IsZero() && !v.cfg.Now().Before(id.NotAfter) {
		return identity.Identity{}, expired(id)
	}
	return id, nil
}

// present returns what the endpoint gets of a credential. The error is
// tokens.ErrNotApplicable if it gets nothing.
func (v *Verifier) present(c *tokens.Credential) (presented, error) {
	p, sent := presented{Kind: KindToken, Token: c.TokenToShow()}, c.TokenToShow()
	choose := c.Selection
	if v.cfg.Send == KindUserPassword {
		if c.User == "" || c.Password == "" || c.AuthToken != "" && c.AuthToken != c.Password { // MQTT clients have both
			return presented{}, tokens.ErrNotApplicable
		}
		p, choose = presented{Kind: KindUserPassword, User: c.User, Password: c.Password}, c.UserSelection
	}
	secret := p.Token + p.Password
	if secret == "" || form.Own(secret) || !v.cfg.JWT && form.IsJWT(secret) {
		return presented{}, tokens.ErrNotApplicable
	}
	selected, err := choose()
	if p.Kind == KindUserPassword {
		if err != nil || !selected.IsZero() {
			name, _, named := strings.Cut(c.User, ",")
			if !named {
				return presented{}, tokens.ErrNotApplicable // it names no user: the password is a token
			}
			p.User = name
		}
		sent = p.User
	}
	switch {
	case !strings.HasPrefix(sent, v.cfg.Prefix):
		return presented{}, tokens.ErrNotApplicable
	case err != nil:
		return presented{}, tokens.Reject(tokens.CodeSelection, err.Error(), identity.Identity{})
	}
	p.selection = selected
	return p, nil
}

// ask sends a request.
func (v *Verifier) ask(ctx context.Context, p *presented, c *tokens.Credential) (backend.Answer, error) {
	body, err := v.body(p, c)
	if err != nil {
		return backend.Answer{}, backend.Unusable(err)
	}
	now := v.cfg.Now()
	signature, err := sign(v.cfg.Sign, now, body)
	if err != nil {
		return backend.Answer{}, fmt.Errorf("sign the request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, v.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return backend.Answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set(SignatureHeader, signature)
	resp, err := v.cfg.Client.Do(r)
	if err != nil {
		return backend.Answer{}, backend.Retriable(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // the connection can be used again
		return backend.Answer{}, statusError(resp.StatusCode)
	}
	var text json.RawMessage
	if err := backend.ReadJSON(resp, maxAnswer, &text); err != nil {
		return backend.Answer{}, backend.Unusable(err)
	}
	a, err := parse(text, v.cfg.Authority, now, c.Filter())
	if err != nil {
		return backend.Answer{}, backend.Unusable(fmt.Errorf("the answer is not in the format of docs/reference/webhook.md: %w", err))
	}
	return a, nil
}

// statusError returns the error for a status that is not 200. Only those with which an
// endpoint or a proxy says that it is overloaded or away count as failures of the endpoint:
// the others may be due to this one credential.
func statusError(status int) error {
	err := fmt.Errorf("status %d instead of 200", status)
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return backend.Retriable(err)
	default:
		return backend.Unusable(err)
	}
}
