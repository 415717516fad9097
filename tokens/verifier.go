package tokens

import (
	"context"
	"errors"
	"fmt"

	"usher/identity"
)

// Results of a verifier that is not sure of an identity. Callers use errors.Is.
var (
	// ErrNotApplicable: the verifier does not recognise the credential; the chain continues.
	ErrNotApplicable = errors.New("no recognised credential")
	// ErrRejected: the verifier recognises the credential, and it is not valid; final.
	ErrRejected = errors.New("credential rejected")
	// ErrUnavailable: the verifier recognises the credential, but cannot verify it now;
	// final, and not a denial.
	ErrUnavailable = errors.New("the credential cannot be verified now")
)

// Reason is a rejection with a code of docs/reference/errors.md. It wraps ErrRejected. The code
// goes to the log and the audit, never to the client.
type Reason struct { //nolint:errname // it is the reason of a rejection
	Code  string // such as "key_expired"
	Cause string // one line for people, without any secret
	// Identity is the rejected principal if it is known, as for a disabled user or an
	// expired key; otherwise it is zero.
	Identity identity.Identity
}

// Error returns the cause.
func (r *Reason) Error() string { return r.Cause }

// Unwrap returns ErrRejected.
func (r *Reason) Unwrap() error { return ErrRejected }

// Reject returns a Reason.
func Reject(code, cause string, id identity.Identity) error {
	return &Reason{Code: code, Cause: cause, Identity: id}
}

// Undecided returns an ErrUnavailable with a code of docs/reference/errors.md; empty: the one
// of every verifier that cannot decide.
func Undecided(code, cause string) error { return &UndecidedError{code, cause} }

// UndecidedError is an ErrUnavailable with a code.
type UndecidedError struct{ Code, Cause string }

// Error returns the cause.
func (u *UndecidedError) Error() string { return ErrUnavailable.Error() + ": " + u.Cause }

// Unwrap returns ErrUnavailable.
func (u *UndecidedError) Unwrap() error { return ErrUnavailable }

// Unknown returns an ErrNotApplicable of a verifier that recognises the form of the
// credential, but does not know it: another verifier may. If none does, Chain rejects the
// credential with the code of the last that said so.
func Unknown(code, cause string) error { return &unknownError{Reason{Code: code, Cause: cause}} }

type unknownError struct{ reason Reason }

func (u *unknownError) Error() string { return u.reason.Cause }

func (u *unknownError) Unwrap() error { return ErrNotApplicable }

// Verifier turns a credential into an identity.
//
// Errors wrap exactly one of ErrNotApplicable, ErrRejected and ErrUnavailable.
//
// A verifier must use the directory that Credential.Directory returns and no other,
// because the grant is derived from the same snapshot.
type Verifier interface {
	// Name is the name of the verifier in logs and in "usher explain".
	Name() string
	Verify(ctx context.Context, c *Credential) (identity.Identity, error)
}

// Slow is a Verifier that may wait for another system, such as an identity provider.
// Requests that wait for it must not keep others from being decided.
//
// An implementation asserts that it is one, because a mistake in the method would make
// it a verifier that never waits:
//
//	var _ tokens.Slow = (*Verifier)(nil)
type Slow interface {
	Verifier
	// Slow reports whether Verify may have to wait for another system. It returns at
	// once. It is false for credentials that the verifier does not recognise, and may
	// be false for those that it has cached.
	Slow(c *Credential) bool
}

// Gate is told when a request waits for another system, so that the caller of a Chain
// can give back what others need meanwhile.
type Gate interface {
	// Enter is called before a verifier that may wait. An error ends the chain.
	Enter(verifier string) error
	// Leave is called once the verifier has returned, also by a panic.
	Leave(verifier string)
}

// Chain asks its verifiers in order. The first that returns anything but
// ErrNotApplicable decides. If all do, the last that returned an Unknown has rejected the
// credential.
type Chain []Verifier

// Verify returns the identity and the name of the verifier that decided. It wraps an
// error that is none of the three sentinels in ErrUnavailable, because a bug or
// outage in usher must not cause a denial. An error of the gate is returned as it is.
// A nil gate lets every verifier wait. An identity counts once every Confirmer of the chain
// has confirmed it. If the directory changed while one of them waited, the chain begins
// again with the new one.
func (ch Chain) Verify(ctx context.Context, c *Credential, g Gate) (identity.Identity, string, error) {
	for {
		id, by, waited, err := ch.verify(ctx, c, g)
		if err != nil || !waited || !c.outdated() {
			return id, by, err
		}
		c.releaseDirectory()
	}
}

// verify also reports whether a Confirmer may have waited.
func (ch Chain) verify(ctx context.Context, c *Credential, g Gate) (id identity.Identity, by string, waited bool, err error) {
	end := ErrNotApplicable
	for _, v := range ch {
		id, err := verifyThrough(ctx, v, c, g)
		if err == nil {
			return ch.confirm(ctx, c, id, v, g)
		}
		if !errors.Is(err, ErrNotApplicable) {
			return id, v.Name(), false, err
		}
		var u *unknownError
		if errors.As(err, &u) {
			by, end = v.Name(), &u.reason
		}
		c.releaseDirectory()
	}
	return identity.Identity{}, by, false, end
}

// verifyThrough asks one verifier, and passes the gate if it may wait.
func verifyThrough(ctx context.Context, v Verifier, c *Credential, g Gate) (identity.Identity, error) {
	if s, ok := v.(Slow); ok && g != nil && s.Slow(c) {
		if err := g.Enter(v.Name()); err != nil {
			return identity.Identity{}, err
		}
		defer g.Leave(v.Name())
	}
	return verify(ctx, v, c)
}

// verify asks one verifier, if there is time left.
func verify(ctx context.Context, v Verifier, c *Credential) (identity.Identity, error) {
	if err := ctx.Err(); err != nil {
		return identity.Identity{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return decided(v.Verify(ctx, c))
}

// decided makes every error wrap one of the three sentinels, and lets no identity pass
// beside one.
func decided(id identity.Identity, err error) (identity.Identity, error) {
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, ErrNotApplicable), errors.Is(err, ErrRejected), errors.Is(err, ErrUnavailable):
		return identity.Identity{}, err
	default:
		return identity.Identity{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}
