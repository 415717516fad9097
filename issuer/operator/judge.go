package operator

import (
	"errors"
	"fmt"

	"github.com/nats-io/jwt/v2"
)

// More reasons for which a server refuses an answer.
var (
	ErrResponseSigner = errors.New("the answer is not signed by the callout account, nor by one of its signing keys")
	ErrNotAllowed     = errors.New("the account is none of the callout account's allowed accounts")
	ErrNoAccount      = errors.New("no such account")
	ErrNoConnections  = errors.New("the account allows no connection at all (limits.conn: 0)")
	ErrTooLarge       = errors.New("the answer is too large")
	ErrInvalid        = errors.New("the JWT is not valid")
)

// View is what a server goes by when it judges an answer to a request.
type View struct {
	Callout    *jwt.AccountClaims
	Account    func(public string) *jwt.AccountClaims // nil: there is none
	Strict     bool                                   // the operator demands signing keys
	MaxPayload int64                                  // of the server
	Overhead   int64                                  // what sealing adds to an answer
}

// Allows reports whether clients may be placed in an account.
func Allows(callout *jwt.AccountClaims, public string) bool {
	allowed := callout.Authorization.AllowedAccounts
	return public == callout.Subject || allowed.Contains(public) || len(allowed) == 1 && allowed[0] == jwt.AnyAccount
}

// Judge decides about an authorization response as nats-server would
// (server/auth_callout.go), and says why it would refuse it. Who signed a sealed
// response is not looked at by nats-server 2.15; it is here.
func (v *View) Judge(response string) (*jwt.UserClaims, error) {
	if size := int64(len(response)) + v.Overhead; size > min(v.MaxPayload, jwt.MaxTokenSize) {
		return nil, fmt.Errorf("%w: %d bytes, the server takes %d", ErrTooLarge, size, min(v.MaxPayload, jwt.MaxTokenSize))
	}
	r, err := jwt.DecodeAuthorizationResponseClaims(response)
	if err != nil {
		return nil, fmt.Errorf("answer: %w: %w", ErrInvalid, err)
	}
	if err := valid(r); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	own := r.Issuer == v.Callout.Subject && !v.Strict
	if !own && !v.Callout.SigningKeys.Contains(r.Issuer) || r.IssuerAccount != "" && r.IssuerAccount != v.Callout.Subject {
		return nil, fmt.Errorf("%w: %s", ErrResponseSigner, r.Issuer)
	}
	u, err := jwt.DecodeUserClaims(r.Jwt)
	if err != nil {
		return nil, fmt.Errorf("user JWT: %w: %w", ErrInvalid, err)
	}
	if err := valid(u); err != nil {
		return u, fmt.Errorf("user JWT: %w", err)
	}
	return u, v.place(u)
}

// place decides whether the server puts the user where its JWT says.
func (v *View) place(u *jwt.UserClaims) error {
	public := AccountOf(u)
	if !Allows(v.Callout, public) {
		return fmt.Errorf("%w: %s", ErrNotAllowed, public)
	}
	a := v.Account(public)
	if a == nil {
		return fmt.Errorf("%w: %s", ErrNoAccount, public)
	}
	if _, err := Limits(a, u, v.Strict); err != nil {
		return err
	}
	if a.Limits.Conn == 0 {
		return ErrNoConnections
	}
	return nil
}

// valid holds claims to what nats-server wants of an answer: it takes a warning for
// an error.
func valid(c jwt.Claims) error {
	vr := jwt.CreateValidationResults()
	c.Validate(vr)
	for _, i := range vr.Issues {
		return fmt.Errorf("%w: %s", ErrInvalid, i.Description)
	}
	return nil
}
