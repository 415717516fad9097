package oidc

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"usher/identity"
	"usher/tokens"
	"usher/tokens/oidc/jwt"
	"usher/tokens/oidc/keyset"
)

// Verifier verifies the tokens of its authorities. It is one for all of them, so that a
// token is read once, however many there are.
type Verifier struct {
	parser      *jwt.Parser
	authorities []*authority          // in the order of the configuration
	issuers     map[string]*authority // the same by issuer
	now         func() time.Time
}

var (
	_ tokens.Slow       = (*Verifier)(nil)
	_ tokens.Background = (*Verifier)(nil)
	_ tokens.Observable = (*Verifier)(nil)
	_ tokens.Rechecker  = (*Verifier)(nil)
)

// authority is a configured authority with its keys.
type authority struct {
	Authority
	keys *keyset.Keys
}

// NewVerifier returns a verifier. It asks no authority.
func NewVerifier(authorities []Authority, now func() time.Time) (*Verifier, error) {
	v := &Verifier{issuers: map[string]*authority{}, now: now}
	largest := 0
	for _, a := range authorities { //nolint:gocritic // a copy is what is kept
		if err := a.check(); err != nil {
			return nil, fmt.Errorf("authority %q: %w", a.Name, err)
		}
		if other, ok := v.issuers[a.Issuer]; ok {
			return nil, fmt.Errorf("authority %q: has the issuer of authority %q", a.Name, other.Name)
		}
		if len(a.Algorithms) == 0 {
			a.Algorithms = DefaultAlgorithms()
		}
		if a.MaxSize == 0 {
			a.MaxSize = DefaultMaxSize
		}
		largest = max(largest, a.MaxSize)
		a.Keys.Name, a.Keys.Leeway, a.Keys.Now = a.Name, a.Leeway, now
		made := &authority{Authority: a, keys: keyset.New(a.Keys)}
		v.issuers[a.Issuer] = made
		v.authorities = append(v.authorities, made)
	}
	v.parser = jwt.NewParser(largest)
	return v, nil
}

// Name returns "oidc".
func (*Verifier) Name() string { return "oidc" }

// Slow implements tokens.Slow: it is true only for tokens whose key is missing.
func (v *Verifier) Slow(c *tokens.Credential) bool {
	text := c.Token()
	if !jwt.Recognise(text) {
		return false
	}
	header, ok := v.parser.PeekHeader(text)
	mayWait := func(a *authority) bool {
		return slices.Contains(a.Algorithms, header.Algorithm) && a.keys.MayWait(keyID(header))
	}
	if !ok || !slices.ContainsFunc(v.authorities, mayWait) { // whatever the issuer is
		return false
	}
	issuer, ok := v.parser.PeekIssuer(text)
	a := v.issuers[issuer]
	return ok && a != nil && mayWait(a)
}

func keyID(h jwt.Header) keyset.ID { return keyset.ID{KeyID: h.KeyID, Algorithm: h.Algorithm} }

// Verify implements tokens.Verifier.
func (v *Verifier) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	text := c.Token()
	if !jwt.Recognise(text) {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	t, err := v.parser.Parse(text)
	if err != nil {
		return identity.Identity{}, unread(err)
	}
	issuer, ok := t.Claims["iss"].(string)
	if !ok {
		return identity.Identity{}, reject(CodeClaims, "the claim iss is not a text")
	}
	a := v.issuers[issuer]
	if a == nil {
		return identity.Identity{}, tokens.Unknown(CodeIssuerUnknown, fmt.Sprintf("the issuer %.100q is not configured", issuer))
	}
	id, err := a.verify(ctx, t, c, len(text), v.now())
	if err == nil {
		v.parser.Remember(t)
	}
	return id, err
}

// verify verifies a token that names the authority as its issuer. It looks at the claims
// first, so that no key is fetched for a token that is not good whoever signed it.
func (a *authority) verify(ctx context.Context, t *jwt.Token, c *tokens.Credential, size int, now time.Time) (identity.Identity, error) {
	nobody := identity.Identity{}
	if size > a.MaxSize {
		return nobody, reject(CodeTooLarge, fmt.Sprintf("the token has %d bytes, and %s allows %d", size, a.Name, a.MaxSize))
	}
	if !slices.Contains(a.Algorithms, t.Algorithm) {
		return nobody, reject(CodeAlgorithm, fmt.Sprintf("%s does not allow algorithm %s", a.Name, t.Algorithm))
	}
	id, times, refused := a.identify(t, now)
	if refused == nil {
		if id.Selection, refused = c.Selection(); refused != nil {
			refused = reject(tokens.CodeSelection, refused.Error())
		}
	}
	if refused != nil {
		return nobody, a.attribute(refused, t, id)
	}
	err := a.keys.Verify(ctx, keyID(t.Header), times.issued, func(key crypto.PublicKey) bool { return t.Verify(key) })
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, keyset.ErrUnknown):
		return nobody, reject(CodeKeyUnknown, fmt.Sprintf("%s has no key %.64q for algorithm %s", a.Name, t.KeyID, t.Algorithm))
	case errors.Is(err, keyset.ErrSignature):
		return nobody, reject(CodeSignature, "the signature is not of a key of "+a.Name)
	}
	return nobody, err
}

// attribute adds to a rejection whose token it is, if that can be said without waiting.
func (a *authority) attribute(refused error, t *jwt.Token, id identity.Identity) error {
	var r *tokens.Reason
	if errors.As(refused, &r) && id.ID != "" && a.keys.Signed(keyID(t.Header), func(key crypto.PublicKey) bool { return t.Verify(key) }) {
		r.Identity = id
	}
	return refused
}

// unread returns the result for a token that could not be read.
func unread(err error) error {
	for _, known := range []struct {
		err  error
		code string
	}{
		{jwt.ErrTooLarge, CodeTooLarge},
		{jwt.ErrHeader, CodeHeader},
		{jwt.ErrAlgorithm, CodeAlgorithm},
	} {
		if errors.Is(err, known.err) {
			return reject(known.code, err.Error())
		}
	}
	switch {
	case errors.Is(err, jwt.ErrNATS):
		return tokens.ErrNotApplicable
	case errors.Is(err, jwt.ErrEncrypted): // such tokens are opaque to all but the authority, which may be asked
		return tokens.Unknown(CodeEncrypted, err.Error())
	}
	return reject(CodeMalformed, err.Error())
}

// Run implements tokens.Background.
func (v *Verifier) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, a := range v.authorities {
		all.Go(func() { a.keys.Run(ctx) })
	}
	all.Wait()
}

// Status implements tokens.Observable.
func (v *Verifier) Status() tokens.Status {
	var s tokens.Status
	for _, a := range v.authorities {
		b, c := a.keys.Status()
		s.Backends, s.Caches = append(s.Backends, b), append(s.Caches, c)
	}
	return s
}

// Recheck implements tokens.Rechecker: the authority of the token must still be configured.
func (v *Verifier) Recheck(_ *tokens.Credential, id identity.Identity) (identity.Identity, error) {
	if !slices.ContainsFunc(v.authorities, func(a *authority) bool { return a.Name == string(id.Authority) }) {
		return identity.Identity{}, tokens.Reject(tokens.CodeNotConfigured, fmt.Sprintf("the authority %q is not configured any more", id.Authority), id)
	}
	return id, nil
}
