package kubernetes

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

// Config describes a Verifier.
type Config struct {
	Authority identity.Authority // the name of the cluster in the configuration
	URL       string             // of the API server, as backend.CheckURL wants it
	TokenFile string             // bearer token of usher's own service account; read for each call
	HTTP      backend.HTTPConfig // its CA file is read for each call

	Issuer    string   // of the cluster: only tokens with this iss are sent; empty: all JWTs are
	Audiences []string // a token must be for one of them

	Backend backend.Config // Name and Now are set by NewVerifier
	Now     func() time.Time
}

// Verifier asks the API server of one cluster. It is safe for concurrent use.
type Verifier struct {
	cfg     Config
	name    string
	url     string
	access  *access
	backend *backend.Backend
}

var (
	_ tokens.Slow      = (*Verifier)(nil)
	_ tokens.Prober    = (*Verifier)(nil)
	_ tokens.Forgetter = (*Verifier)(nil)
)

// NewVerifier reads the files of the configuration and returns a Verifier. Its errors begin
// with the name of the configuration key.
func NewVerifier(cfg Config) (*Verifier, error) { //nolint:gocritic // a description, used once
	if err := backend.CheckURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if len(cfg.Audiences) == 0 {
		return nil, errors.New("audiences: is missing")
	}
	v := &Verifier{
		cfg: cfg, name: "kubernetes:" + string(cfg.Authority),
		url:    strings.TrimSuffix(cfg.URL, "/") + "/apis/" + apiVersion + "/tokenreviews",
		access: &access{tokenFile: cfg.TokenFile, http: cfg.HTTP},
	}
	if _, _, err := v.access.current(); err != nil {
		return nil, err
	}
	v.cfg.Backend.Name, v.cfg.Backend.Now = v.name, cfg.Now
	v.backend = backend.New(v.cfg.Backend)
	return v, nil
}

// Name returns "kubernetes:" and the name of the cluster.
func (v *Verifier) Name() string { return v.name }

// Status implements tokens.Observable.
func (v *Verifier) Status() tokens.Status { return v.backend.Status() }

// Forget implements tokens.Forgetter.
func (v *Verifier) Forget(match func(*identity.Identity) bool) { v.backend.Forget(match) }

// Probe implements tokens.Prober: it asks the API server about a text that is no token.
func (v *Verifier) Probe(ctx context.Context) {
	const none = "usher check"
	_, _ = v.backend.Ask(ctx, v.key(none), func(ctx context.Context) (backend.Answer, error) { // Status has the error
		r, err := v.review(ctx, none)
		switch {
		case err == nil && !r.valid():
			err = errNoReview
		case err == nil && r.Status.Authenticated:
			err = errors.New("it accepts a text that is no token")
		}
		return backend.Answer{Refusal: &tokens.Reason{Code: CodeRejected}, Until: v.cfg.Now()}, err // not kept
	})
}

// accepts reports whether a token is sent to the API server.
func (v *Verifier) accepts(token string) bool {
	claims, ok := form.Unverified(token)
	return ok && !form.Own(token) && (v.cfg.Issuer == "" || claims.Issuer == v.cfg.Issuer)
}

func (v *Verifier) key(token string) [32]byte { return backend.Key(v.name, token) }

// find returns the key of a token, and whether its answer is kept. ok is false for a token
// that is not sent to the API server. Only answers about tokens that are sent are kept.
func (v *Verifier) find(token string) (key [32]byte, kept, ok bool) {
	if strings.Count(token, ".") != 2 { // the quick answer for most tokens
		return key, false, false
	}
	key = v.key(token)
	kept = v.backend.Cached(key)
	return key, kept, kept || v.accepts(token)
}

// Slow implements tokens.Slow.
func (v *Verifier) Slow(c *tokens.Credential) bool {
	_, kept, ok := v.find(c.Token())
	return ok && !kept
}

// Verify implements tokens.Verifier. Without Config.Issuer another verifier may know a
// token that the API server does not.
func (v *Verifier) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	key, _, ok := v.find(c.Token())
	if !ok {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	selection, err := c.Selection()
	if err != nil {
		return identity.Identity{}, tokens.Reject(tokens.CodeSelection, err.Error(), identity.Identity{})
	}
	a, err := v.backend.Ask(ctx, key, func(ctx context.Context) (backend.Answer, error) { return v.ask(ctx, c) })
	switch {
	case err != nil:
		return identity.Identity{}, err
	case a.Refusal != nil && v.cfg.Issuer == "":
		return identity.Identity{}, tokens.Unknown(a.Refusal.Code, a.Refusal.Cause)
	case a.Refusal != nil:
		return identity.Identity{}, a.Refusal
	}
	id := a.Identity
	id.Selection = selection
	if !id.NotAfter.IsZero() && !v.cfg.Now().Before(id.NotAfter) {
		return identity.Identity{}, tokens.Reject(CodeExpired, "the token expired at "+id.NotAfter.UTC().Format(time.RFC3339), id)
	}
	return id, nil
}

// ask asks about a token.
func (v *Verifier) ask(ctx context.Context, c *tokens.Credential) (backend.Answer, error) {
	r, err := v.review(ctx, c.Token())
	if err != nil {
		return backend.Answer{}, err
	}
	a, err := r.answer(v.cfg.Authority, v.cfg.Audiences, c.Filter())
	if err != nil {
		return backend.Answer{}, backend.Unusable(err)
	}
	claims, _ := form.Unverified(c.Token()) // the API server has verified them
	if end, ok := timeOf(claims.Expires); ok && a.Refusal == nil {
		a.Identity.NotAfter, a.Until = end, end
	}
	return a, nil
}

// review sends a TokenReview and returns it with what the API server adds.
func (v *Verifier) review(ctx context.Context, token string) (*review, error) {
	client, bearer, err := v.access.current()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(review{APIVersion: apiVersion, Kind: kind, Spec: &spec{token, v.cfg.Audiences}})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	resp, err := client.Do(r)
	if err != nil {
		return nil, backend.Retriable(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // the connection can be used again
		return nil, statusError(resp.StatusCode)
	}
	out := new(review)
	if err := backend.ReadJSON(resp, maxAnswer, out); err != nil {
		return nil, backend.Unusable(err)
	}
	return out, nil
}

const maxAnswer = 1 << 20 // it repeats the token

// statusError returns the error for a status of the API server. What may be due to this one
// token does not count as a failure of the API server.
func statusError(status int) error {
	switch status {
	case http.StatusUnauthorized:
		return errors.New("status 401: the API server does not accept usher's own token")
	case http.StatusForbidden:
		return errors.New("status 403: usher's service account may not create TokenReviews; it needs the cluster role system:auth-delegator")
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return backend.Retriable(fmt.Errorf("status %d", status))
	default:
		return backend.Unusable(fmt.Errorf("status %d instead of 201", status))
	}
}

// timeOf returns the time of a NumericDate (RFC 7519 section 2). ok is false if there is
// none.
func timeOf(n json.Number) (t time.Time, ok bool) {
	seconds, err := n.Float64()
	if err != nil || seconds <= 0 || seconds > 1e12 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}
