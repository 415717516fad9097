package rotation

import (
	"context"

	"github.com/nats-io/jwt/v2"

	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// The methods in this file let package accounts change accounts and keys with the same
// safeguards as a rotation.

// Open locks the keyring until unlock is called, and returns its state.
func (r *Rotator) Open() (s *keyring.State, unlock func(), err error) { return r.open() }

// Save writes a state that Open returned. ErrConcurrentEdit: keyring.yaml has changed since.
func (r *Rotator) Save(s *keyring.State) error { return r.save(s) }

// Ready checks early what would make a change of account JWTs fail later.
func (r *Rotator) Ready(ctx context.Context) error { return r.ready(ctx) }

// Servers returns the servers of operator mode that must accept an account JWT.
func (r *Rotator) Servers(ctx context.Context) ([]operator.Server, error) { return r.servers(ctx) }

// Edit changes the JWT of an account that servers know, pushes it to every server, and
// writes it to disk. It does nothing if apply changes nothing.
func (r *Rotator) Edit(ctx context.Context, a issuer.Account, apply func(*jwt.AccountClaims) error) error {
	return r.edit(ctx, a, apply)
}

// WaitFor waits until check finds nothing missing, for at most Wait; else it returns a
// *WaitError.
func (r *Rotator) WaitFor(ctx context.Context, what string, check func(context.Context) (missing []string, err error)) error {
	return r.until(ctx, r.Wait, what, check)
}

// WaitForKeys waits until every running usher has all of these keys, in a state.
func (r *Rotator) WaitForKeys(ctx context.Context, public []string, state issuer.KeyState) error {
	return r.waitForKeys(ctx, public, state)
}
