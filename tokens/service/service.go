// Package service creates and verifies the tokens of usher's own connections into the
// accounts of projects: usher publishes, pulls and keeps streams there for the clients of its
// API. They are tokens that usher gives itself (package selfsigned), and each names one
// account. The verifier promises that a token is good only for an account in which a project
// of the directory lives, so that nobody with a token reaches any other one.
package service

import (
	"context"
	"fmt"
	"io"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/issuer"
	"usher/tokens"
	"usher/tokens/selfsigned"
)

// Prefix is the prefix of every service token.
const Prefix = "USHERSERVICE-"

// UserName is the user name of the identity that Verify returns. No user of the directory can
// have it.
const UserName = "usher-service"

// Lifetime is how long a token is valid, and the connection that it was presented for: then
// its server closes it, and usher connects again with a new token.
const Lifetime = 12 * time.Hour

// Codes of service tokens that are refused.
const (
	// CodeInvalid is for a token with Prefix that this keyring did not sign, or that has expired.
	CodeInvalid = "service_invalid"
	// CodeAccount is for a token for an account in which no project of the directory lives.
	CodeAccount = "service_account"
)

func kind() selfsigned.Kind {
	return selfsigned.Kind{Prefix: Prefix, Domain: "usher service v1\x00"}
}

// New returns a token for an account that is valid until now + Lifetime.
func New(ctx context.Context, s issuer.Signer, random io.Reader, now time.Time, account string) (string, error) {
	return NewFor(ctx, s, random, now.Add(Lifetime), account)
}

// NewFor is New with another end.
func NewFor(ctx context.Context, s issuer.Signer, random io.Reader, end time.Time, account string) (string, error) {
	token, err := kind().New(ctx, s, random, selfsigned.Claims{Expires: end, Text: account})
	if err != nil {
		return "", fmt.Errorf("service token: %w", err)
	}
	return token, nil
}

// Verifier verifies service tokens that any issuer key of the keyring has signed.
type Verifier struct {
	keyring  func() *issuer.Keyring
	snapshot func() *snapshot.Snapshot
	now      func() time.Time
}

// NewVerifier returns a Verifier. snapshot returns nil if no directory is loaded.
func NewVerifier(keyring func() *issuer.Keyring, current func() *snapshot.Snapshot, now func() time.Time) *Verifier {
	return &Verifier{keyring: keyring, snapshot: current, now: now}
}

// Name returns "service".
func (*Verifier) Name() string { return "service" }

// Verify implements tokens.Verifier.
func (v *Verifier) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	if !kind().Is(c.Token()) {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	claims, ok := kind().Open(v.keyring(), c.Token())
	if !ok || claims.Text == "" {
		return identity.Identity{}, tokens.Reject(CodeInvalid, "not a service token of this keyring", identity.Identity{})
	}
	id := identity.Identity{
		Name:      UserName,
		Authority: identity.AuthorityUsher,
		Method:    identity.MethodService,
		NotAfter:  claims.Expires,
		Selection: identity.Selection{Account: claims.Text},
	}
	if !v.now().Before(claims.Expires) {
		return identity.Identity{}, tokens.Reject(CodeInvalid, "the service token has expired", id)
	}
	return id, v.checkAccount(c, id)
}

// Recheck implements tokens.Rechecker: the projects of the account may be gone.
func (v *Verifier) Recheck(c *tokens.Credential, id identity.Identity) (identity.Identity, error) {
	return id, v.checkAccount(c, id)
}

var _ tokens.Rechecker = (*Verifier)(nil)

// checkAccount checks that a project lives in the account.
func (v *Verifier) checkAccount(c *tokens.Credential, id identity.Identity) error {
	s := c.Directory(v.snapshot)
	switch {
	case s == nil:
		return fmt.Errorf("%w: no directory is loaded", tokens.ErrUnavailable)
	case s.AccountUse(id.Selection.Account).Projects > 0:
		return nil
	case s.HasUnreadable(directory.KindProject):
		return fmt.Errorf("%w: a project that cannot be read may live in the account", tokens.ErrUnavailable)
	}
	return tokens.Reject(CodeAccount, fmt.Sprintf("no project of the directory lives in account %q", id.Selection.Account), id)
}
