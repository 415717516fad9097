package issuer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"

	"usher/identity"
	"usher/permissions"
)

// ErrLapsed: the credential ended between verifying and issuing.
var ErrLapsed = errors.New("the credential has ended meanwhile")

// errNoRecipient: jwt/v2 makes no claims, not even wrong ones, without a subject.
var errNoRecipient = errors.New("the request names no user key")

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
func (i *Issuer) Issue(ctx context.Context, s Signer, to Recipient, id identity.Identity, g *permissions.Grant) (string, time.Time, error) {
	if err := i.cfg.Policy.Validate(g); err != nil {
		return "", time.Time{}, err
	}
	if to.UserNkey == "" {
		return "", time.Time{}, errNoRecipient
	}
	// A JWT counts in whole seconds; rounding down keeps it within its bounds.
	expires := i.Expiry(g.NotAfter).Truncate(time.Second)
	if !expires.IsZero() && expires.Unix() <= i.cfg.Now().Unix() {
		return "", time.Time{}, ErrLapsed
	}
	uc := userClaims(to.UserNkey, id, g, expires)
	user, err := uc.EncodeWithSigner(publicOnly(s.PublicKey()), signFn(ctx, s))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("encode user JWT: %w", err)
	}
	response, err := respond(ctx, s, to, jwt.AuthorizationResponse{Jwt: user})
	return response, expires, err
}

// Deny returns the signed response that turns a client away. text is seen by
// whoever reads the server's log or its auth error events: it names no cause.
func (i *Issuer) Deny(ctx context.Context, s Signer, to Recipient, text string) (string, error) {
	if to.UserNkey == "" {
		return "", errNoRecipient
	}
	return respond(ctx, s, to, jwt.AuthorizationResponse{Error: text})
}

func userClaims(nkey string, id identity.Identity, g *permissions.Grant, expires time.Time) *jwt.UserClaims {
	uc := jwt.NewUserClaims(nkey)
	uc.Name = id.Name
	uc.Audience = g.Account // config mode: where the user is placed
	if !expires.IsZero() {
		uc.Expires = expires.Unix()
	}
	uc.Tags = g.Tags
	uc.Pub = jwt.Permission{
		Allow: g.Subjects(permissions.Publish, permissions.Allow),
		Deny:  g.Subjects(permissions.Publish, permissions.Deny),
	}
	uc.Sub = jwt.Permission{
		Allow: g.Subjects(permissions.Subscribe, permissions.Allow),
		Deny:  g.Subjects(permissions.Subscribe, permissions.Deny),
	}
	for _, n := range g.Networks {
		uc.Src = append(uc.Src, n.String())
	}
	for _, t := range g.ConnectionTypes {
		uc.AllowedConnectionTypes = append(uc.AllowedConnectionTypes, string(t))
	}
	return uc
}

func respond(ctx context.Context, s Signer, to Recipient, r jwt.AuthorizationResponse) (string, error) {
	rc := jwt.NewAuthorizationResponseClaims(to.UserNkey)
	rc.Audience = to.ServerID
	rc.AuthorizationResponse = r
	response, err := rc.EncodeWithSigner(publicOnly(s.PublicKey()), signFn(ctx, s))
	if err != nil {
		return "", fmt.Errorf("encode response: %w", err)
	}
	return response, nil
}

func signFn(ctx context.Context, s Signer) jwt.SignFn {
	return func(_ string, data []byte) ([]byte, error) { return s.Sign(ctx, data) }
}
