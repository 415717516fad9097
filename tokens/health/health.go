// Package health creates and verifies the tokens of usher's own health check. They are
// tokens that usher gives itself (package selfsigned).
package health

import (
	"context"
	"fmt"
	"io"
	"time"

	"usher/identity"
	"usher/issuer"
	"usher/tokens"
	"usher/tokens/selfsigned"
)

// Prefix is the prefix of every health-check token, as in Chef Automate's event gateway.
const Prefix = "HEALTHCHECK-"

// UserName is the user name of the identity that Verify returns.
const UserName = "usher-healthcheck"

// Lifetime is how long a token is valid. The service writes a new one well before the end.
const Lifetime = 24 * time.Hour

// CodeInvalid is the code for a token with Prefix that this keyring did not sign, or
// that has expired.
const CodeInvalid = "healthcheck_invalid"

// kind are these tokens among those that usher gives itself.
func kind() selfsigned.Kind {
	return selfsigned.Kind{Prefix: Prefix, Domain: "usher health check v1\x00"}
}

// New returns a token that is valid until now + Lifetime.
func New(ctx context.Context, s issuer.Signer, random io.Reader, now time.Time) (string, error) {
	token, err := kind().New(ctx, s, random, selfsigned.Claims{Expires: now.Add(Lifetime)})
	if err != nil {
		return "", fmt.Errorf("health check: %w", err)
	}
	return token, nil
}

// Verifier verifies health-check tokens that any issuer key of the keyring has signed.
type Verifier struct {
	keyring func() *issuer.Keyring
	now     func() time.Time
}

// NewVerifier returns a Verifier.
func NewVerifier(keyring func() *issuer.Keyring, now func() time.Time) *Verifier {
	return &Verifier{keyring: keyring, now: now}
}

// Name returns "healthcheck".
func (*Verifier) Name() string { return "healthcheck" }

// Verify implements tokens.Verifier.
func (v *Verifier) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	if !kind().Is(c.Token()) {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	claims, ok := kind().Open(v.keyring(), c.Token())
	if !ok || claims.Text != "" {
		return identity.Identity{}, tokens.Reject(CodeInvalid, "not a health-check token of this keyring", identity.Identity{})
	}
	id := identity.Identity{
		Name:      UserName,
		Authority: identity.AuthorityUsher,
		Method:    identity.MethodHealthCheck,
		NotAfter:  claims.Expires,
	}
	if !v.now().Before(claims.Expires) {
		return identity.Identity{}, tokens.Reject(CodeInvalid, "the health-check token has expired", id)
	}
	return id, nil
}
