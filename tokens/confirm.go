package tokens

import (
	"context"

	"usher/identity"
)

// Confirmer is a Verifier of a credential that a client may present beside another one,
// such as a certificate. Chain asks it after another verifier returned an identity.
type Confirmer interface {
	Verifier
	// Confirm returns id if nothing that the client presented contradicts it, possibly
	// with an earlier end and with more attributes. Its errors are those of Verify, but
	// for ErrNotApplicable: it returns id instead.
	Confirm(ctx context.Context, c *Credential, id identity.Identity) (identity.Identity, error)
	// SlowToConfirm reports whether Confirm may have to wait for another system.
	SlowToConfirm(c *Credential, id *identity.Identity) bool
}

// confirm asks the confirmers of the chain about an identity of verifier by. It returns
// the verifier that decided, and whether one of them may have waited.
func (ch Chain) confirm(ctx context.Context, c *Credential, id identity.Identity, by Verifier, g Gate) (confirmed identity.Identity, name string, waited bool, err error) {
	for _, v := range ch {
		cf, ok := v.(Confirmer)
		if !ok || v == by {
			continue
		}
		slow := cf.SlowToConfirm(c, &id)
		waited = waited || slow
		if id, err = confirmThrough(ctx, cf, c, id, slow, g); err != nil {
			return identity.Identity{}, v.Name(), waited, err
		}
	}
	return id, by.Name(), waited, nil
}

func confirmThrough(ctx context.Context, v Confirmer, c *Credential, id identity.Identity, slow bool, g Gate) (identity.Identity, error) {
	if g != nil && slow {
		if err := g.Enter(v.Name()); err != nil {
			return identity.Identity{}, err
		}
		defer g.Leave(v.Name())
	}
	return decided(v.Confirm(ctx, c, id))
}
