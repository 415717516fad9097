package tokens

import (
	"context"
	"errors"
	"fmt"

	"usher/identity"
)

// What a verifier answers. Callers decide with errors.Is.
var (
	// ErrNotApplicable: the credential holds nothing that this verifier understands; the chain goes on.
	ErrNotApplicable = errors.New("no credential of this kind")
	// ErrRejected: it does, and it is bad; final.
	ErrRejected = errors.New("credential rejected")
	// ErrUnavailable: it does, and it cannot be decided now; final, and not a denial.
	ErrUnavailable = errors.New("cannot be decided now")
)

// Reason is a rejection with its cause as a code of docs/reference/errors.md. It wraps
// ErrRejected. The code goes to log and audit, never to the client.
type Reason struct { //nolint:errname // it says why a credential is rejected
	Code  string // such as "key_expired"
	Cause string // one line for people, without any secret
	// Identity is who was turned away, as far as it is known (a disabled user,
	// an expired key); its zero value if it is not.
	Identity identity.Identity
}

// Error returns the cause.
func (r *Reason) Error() string { return r.Cause }

// Unwrap makes a Reason an ErrRejected.
func (r *Reason) Unwrap() error { return ErrRejected }

// Reject returns a Reason.
func Reject(code, cause string, who identity.Identity) error {
	return &Reason{Code: code, Cause: cause, Identity: who}
}

// Verifier turns a credential into an identity.
//
// Errors wrap exactly one of ErrNotApplicable, ErrRejected and ErrUnavailable.
//
// What it looks up in the directory it looks up in Credential.Directory, and
// nowhere else: the grant is derived from that same snapshot.
type Verifier interface {
	// Name is how logs and "usher explain" call the verifier.
	Name() string
	Verify(ctx context.Context, c *Credential) (identity.Identity, error)
}

// Slow is a Verifier that asks somebody else, over a network or otherwise, and so
// can take as long as that somebody does. Who waits for it waits apart, and not
// where others could wait behind.
//
// An implementation states it, so that a slip does not make it a fast one:
//
//	var _ tokens.Slow = (*Verifier)(nil)
type Slow interface {
	Verifier
	// Slow reports, itself at once, whether Verify may have to ask somebody about
	// c. It is false for what is not of the verifier's kind, and may be false for
	// what is remembered.
	Slow(c *Credential) bool
}

// Chain asks its verifiers in order. The first that does not say
// ErrNotApplicable decides.
type Chain []Verifier

// Verify returns the identity and the name of the verifier that decided.
// An error that is none of the three sentinels counts as ErrUnavailable: a
// fault of ours is never a denial.
func (ch Chain) Verify(ctx context.Context, c *Credential) (identity.Identity, string, error) {
	for _, v := range ch {
		id, err := verify(ctx, v, c)
		if !errors.Is(err, ErrNotApplicable) {
			return id, v.Name(), err
		}
		c.unseen()
	}
	return identity.Identity{}, "", ErrNotApplicable
}

// Fast returns the verifiers before the first that is slow about c, and the rest.
func (ch Chain) Fast(c *Credential) (fast, rest Chain) {
	for i, v := range ch {
		if s, ok := v.(Slow); ok && s.Slow(c) {
			return ch[:i], ch[i:]
		}
	}
	return ch, nil
}

// verify asks one verifier; every error wraps one of the three sentinels.
func verify(ctx context.Context, v Verifier, c *Credential) (identity.Identity, error) {
	if err := ctx.Err(); err != nil {
		return identity.Identity{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	id, err := v.Verify(ctx, c)
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, ErrNotApplicable), errors.Is(err, ErrRejected), errors.Is(err, ErrUnavailable):
		return identity.Identity{}, err
	default:
		return identity.Identity{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}
