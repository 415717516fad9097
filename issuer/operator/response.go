package operator

import (
	"errors"
	"fmt"

	"github.com/nats-io/jwt/v2"
)

// Further reasons for which a server refuses a response.
var (
	ErrResponseSigner = errors.New("the response is signed neither by the callout account nor by one of its signing keys")
	ErrNotAllowed     = errors.New("the account is not among the callout account's allowed accounts")
	ErrNoAccount      = errors.New("no such account")
	ErrNoConnections  = errors.New("the account allows no connections (limits.conn: 0)")
	ErrTooLarge       = errors.New("the response is too large")
	ErrInvalid        = errors.New("the JWT is not valid")
)

// View is what decides whether a server accepts a response.
type View struct {
	Callout    *jwt.AccountClaims
	Account    func(public string) *jwt.AccountClaims // nil: no such account
	Strict     bool                                   // the operator requires signing keys
	MaxPayload int64                                  // of the server
	Overhead   int64                                  // bytes that encryption adds to a response
}

// Allows reports whether clients may be placed in an account.
func Allows(callout *jwt.AccountClaims, public string) bool {
	allowed := callout.Authorization.AllowedAccounts
	return public == callout.Subject || allowed.Contains(public) || len(allowed) == 1 && allowed[0] == jwt.AnyAccount
}

// CheckResponse reports whether nats-server would accept an authorization response
// (server/auth_callout.go); the error says why not. nats-server 2.15 does not check who
// signed an encrypted response; CheckResponse does.
func (v *View) CheckResponse(response string) (*jwt.UserClaims, error) {
	if size := int64(len(response)) + v.Overhead; size > min(v.MaxPayload, jwt.MaxTokenSize) {
		return nil, fmt.Errorf("%w: %d bytes, the server accepts %d", ErrTooLarge, size, min(v.MaxPayload, jwt.MaxTokenSize))
	}
	r, err := jwt.DecodeAuthorizationResponseClaims(response)
	if err != nil {
		return nil, fmt.Errorf("response: %w: %w", ErrInvalid, err)
	}
	if err := valid(r); err != nil {
		return nil, fmt.Errorf("response: %w", err)
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

// place reports whether the server places the user in the account of its JWT.
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

// valid validates claims as nats-server does, which treats a warning as an error.
func valid(c jwt.Claims) error {
	vr := jwt.CreateValidationResults()
	c.Validate(vr)
	for _, i := range vr.Issues {
		return fmt.Errorf("%w: %s", ErrInvalid, i.Description)
	}
	return nil
}
