package issuer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"usher/identity"
	"usher/permissions"
)

// ErrLapsed: the credential ended between verifying and issuing.
var ErrLapsed = errors.New("the credential has ended meanwhile")

var (
	errNoRecipient = errors.New("the request names no user key")
	errNotAccount  = errors.New("the issuer's key is not an account key")
)

// Config says how user JWTs are minted.
type Config struct {
	Policy      *permissions.Policy
	MaxLifetime time.Duration // cap on the life of a user JWT; zero: none
	Jitter      float64       // share of MaxLifetime, 0 to 1, that is taken off at random when the cap decides
	Now         func() time.Time
	Random      func() float64 // 0 ≤ x < 1
}

// Issuer turns grants into responses. Safe for concurrent use.
type Issuer struct{ cfg Config }

// New returns an Issuer.
func New(cfg Config) *Issuer { return &Issuer{cfg: cfg} }

// Recipient is whom a response is for.
type Recipient struct {
	UserNkey string // the one-time user key of the request, "U…"
	ServerID string // the server that asked, "N…"
}

// Expiry returns when a user JWT issued now ends: with the credential or with
// the cap, whichever is first; zero: it does not end. Only where the cap
// decides, a random part is taken off, so that clients that came together do
// not come back together.
func (i *Issuer) Expiry(notAfter time.Time) time.Time {
	if i.cfg.MaxLifetime <= 0 {
		return notAfter
	}
	now := i.cfg.Now()
	end := now.Add(i.cfg.MaxLifetime)
	if !notAfter.IsZero() && notAfter.Before(end) {
		return notAfter
	}
	return end.Add(-time.Duration(float64(i.cfg.MaxLifetime) * i.cfg.Jitter * i.cfg.Random()))
}

// Issue returns the signed response that lets id in with grant g, and when the
// user JWT in it ends (zero: never).
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
	// A JWT counts in whole seconds; rounding down keeps it within its bounds.
	expires := i.Expiry(g.NotAfter).Truncate(time.Second)
	now := i.cfg.Now().Unix()
	if !expires.IsZero() && expires.Unix() <= now {
		return nil, time.Time{}, ErrLapsed
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
		c.audience = g.Account // config mode: where the user is placed
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

// Deny returns the signed response that turns a client away. text is seen by
// whoever reads the server's log or its auth error events: it names no cause.
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

// signable says what nats-server would refuse, whoever signed it.
func signable(to Recipient, signers ...Signer) error {
	if !nkeys.IsValidPublicUserKey(to.UserNkey) {
		return errNoRecipient
	}
	for _, s := range signers {
		// Of public keys only those of accounts begin so; decoding them says no more.
		if !strings.HasPrefix(s.PublicKey(), "A") {
			return errNotAccount
		}
	}
	return nil
}
