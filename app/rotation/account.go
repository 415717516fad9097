package rotation

import (
	"context"

	"github.com/nats-io/jwt/v2"

	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// What follows is for those who change accounts and keys in another way than by a
// rotation, with the same care: package accounts.

// Open keeps others from changing the keyring until unlock is called, and returns its
// state.
func (r *Rotator) Open() (s *keyring.State, unlock func(), err error) { return r.open() }

// Save writes a state of Open down. ErrEdited: a person has changed it since.
func (r *Rotator) Save(s *keyring.State) error { return r.save(s) }

// Ready reports what would end a change of account JWTs later than at its beginning.
func (r *Rotator) Ready(ctx context.Context) error { return r.ready(ctx) }

// Servers returns the servers of operator mode that have to take an account JWT.
func (r *Rotator) Servers(ctx context.Context) ([]operator.Server, error) { return r.servers(ctx) }

// Edit changes the JWT of an account that servers know, gives it to every one of them,
// and keeps it on disk. That nothing is to change is no error.
func (r *Rotator) Edit(ctx context.Context, a issuer.Account, apply func(*jwt.AccountClaims) error) error {
	return r.edit(ctx, a, apply)
}

// Until waits for at most wait until check finds nothing missing; else a *WaitError.
func (r *Rotator) Until(ctx context.Context, what string, check func(context.Context) (missing []string, err error)) error {
	return r.until(ctx, r.Wait, what, check)
}

// Held waits until every running usher has all of these keys, in a state.
func (r *Rotator) Held(ctx context.Context, public []string, state issuer.KeyState) error {
	return r.heldAll(ctx, public, state)
}
