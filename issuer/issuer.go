package issuer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nkeys"

	"usher/identity"
	"usher/permissions"
)

// ErrCredentialExpired: the credential expired between verifying and issuing.
var ErrCredentialExpired = errors.New("the credential expired before the user JWT was issued")

var (
	errNoRecipient = errors.New("the request has no valid user key")
	errNotAccount  = errors.New("the issuer's key is not an account key")
)

// Config sets how user JWTs are minted.
type Config struct {
	Policy *permissions.Policy
	Lifetimes
	Now    func() time.Time
	Random func() float64 // 0 ≤ x < 1
}

// Lifetimes say when user JWTs expire.
type Lifetimes struct {
	MaxLifetime time.Duration // cap on the lifetime of a user JWT; zero: no cap
	Jitter      float64       // 0 to 1: the largest share of MaxLifetime that is subtracted at random where the cap applies; so with RenewalMargin
	// RenewalMargin is how long before the credential the user JWT expires. A credential
	// that ends sooner is granted to its end.
	RenewalMargin time.Duration
}

// Issuer turns grants into responses. Safe for concurrent use.
type Issuer struct {
	cfg       Config
	lifetimes atomic.Pointer[Lifetimes]
}

// New returns an Issuer.
func New(cfg Config) *Issuer {
	i := &Issuer{cfg: cfg}
	i.SetLifetimes(cfg.Lifetimes)
	return i
}

// SetLifetimes sets when user JWTs expire that are issued from now on.
func (i *Issuer) SetLifetimes(l Lifetimes) { i.lifetimes.Store(&l) }

// Lifetimes returns what SetLifetimes has set.
func (i *Issuer) Lifetimes() Lifetimes { return *i.lifetimes.Load() }

// Recipient identifies the request that a response answers.
type Recipient struct {
	UserNkey string    // the one-time user key of the request, "U…"
	ServerID string    // the server that sent the request, "N…"
	Until    time.Time // the user JWT must not expire later; zero: as late as the configuration says
}

// Expiry returns when a user JWT that is issued now expires: the renewal margin before
// the end of the credential (notAfter) or with the cap, whichever is earlier; zero: never.
// From the margin and the cap a random duration is subtracted, so that clients that
// connected at the same time do not reconnect at the same time.
func (i *Issuer) Expiry(notAfter time.Time) time.Time {
	now, l := i.cfg.Now(), i.lifetimes.Load()
	notAfter = i.beforeEnd(notAfter, now, l)
	if l.MaxLifetime <= 0 {
		return notAfter
	}
	end := now.Add(l.MaxLifetime)
	if !notAfter.IsZero() && notAfter.Before(end) {
		return notAfter
	}
	return end.Add(-i.jitter(l.MaxLifetime, l))
}

// beforeEnd returns the time that is the renewal margin, and its jitter, before the end of
// a credential; or the end, if that time has passed.
func (i *Issuer) beforeEnd(notAfter, now time.Time, l *Lifetimes) time.Time {
	if l.RenewalMargin <= 0 || notAfter.IsZero() {
		return notAfter
	}
	early := notAfter.Add(-l.RenewalMargin - i.jitter(l.RenewalMargin, l))
	if early.Unix() <= now.Unix() {
		return notAfter
	}
	return early
}

// jitter returns a random part of d.
func (i *Issuer) jitter(d time.Duration, l *Lifetimes) time.Duration {
	return time.Duration(float64(d) * l.Jitter * i.cfg.Random())
}

// Issue returns the signed response that admits id with grant g, and when the user
// JWT in it expires (zero: never).
func (i *Issuer) Issue(ctx context.Context, s *Signers, to Recipient, id identity.Identity, g *permissions.Grant) ([]byte, time.Time, error) {
	if err := i.cfg.Policy.Validate(g); err != nil {
		return nil, time.Time{}, err
	}
	if err := permissions.ValidateName(g, id.Name); err != nil {
		return nil, time.Time{}, err
	}
	if err := permissions.ValidateConnected(g); err != nil {
		return nil, time.Time{}, err
	}
	// JWT times are whole seconds. Rounding down never extends the lifetime.
	expires := i.Expiry(g.NotAfter).Truncate(time.Second)
	if !to.Until.IsZero() && (expires.IsZero() || to.Until.Before(expires)) {
		expires = to.Until.Truncate(time.Second)
	}
	now := i.cfg.Now().Unix()
	if !expires.IsZero() && expires.Unix() <= now {
		return nil, time.Time{}, ErrCredentialExpired
	}
	signer, account, err := s.user(g)
	if err == nil {
		err = signable(to, signer, s.response)
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	c := claimsData{
		issuedAt: now,
		issuer:   signer.PublicKey(),
		name:     id.Name,
		subject:  to.UserNkey,
	}
	if account == "" {
		c.audience = g.Account // config mode: the account that the server places the user in
	} else {
		c.name = permissions.JWTName(id, g.Scope)
	}
	if !expires.IsZero() {
		c.expires = expires.Unix()
	}
	user, err := encode(ctx, signer, &c, func(b []byte) []byte { return appendUser(b, g, account) })
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("user JWT: %w", err)
	}
	response, err := i.respond(ctx, s, to, user, "")
	return response, expires, err
}

// Deny returns the signed response that rejects a client. text appears in the
// server's log and in its auth error events, so it must not name the cause.
func (i *Issuer) Deny(ctx context.Context, s *Signers, to Recipient, text string) ([]byte, error) {
	if err := signable(to, s.response); err != nil {
		return nil, err
	}
	return i.respond(ctx, s, to, nil, text)
}

func (i *Issuer) respond(ctx context.Context, s *Signers, to Recipient, user []byte, text string) ([]byte, error) {
	response, err := encode(ctx, s.response, &claimsData{
		audience: to.ServerID,
		issuedAt: i.cfg.Now().Unix(),
		issuer:   s.response.PublicKey(),
		subject:  to.UserNkey,
	}, func(b []byte) []byte { return appendResponse(b, user, text, s.callout) })
	if err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	return response, nil
}

// signable reports what nats-server would refuse whatever the signature.
func signable(to Recipient, signers ...Signer) error {
	if !nkeys.IsValidPublicUserKey(to.UserNkey) {
		return errNoRecipient
	}
	for _, s := range signers {
		// Only public account keys start with "A"; decoding them would add nothing.
		if !strings.HasPrefix(s.PublicKey(), "A") {
			return errNotAccount
		}
	}
	return nil
}
