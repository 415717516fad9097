// Package anonymous gives clients that present nothing an identity, so that a rule of
// identities can give them a grant. It is the last verifier of a chain.
//
// It promises that nobody who has presented a credential becomes anonymous, however bad
// the credential is.
package anonymous

import (
	"context"
	"net/netip"
	"slices"

	"usher/identity"
	"usher/tokens"
)

// CodeNetwork is the code of the rejection, as docs/reference/errors.md lists it.
const CodeNetwork = "anonymous_network"

// ID is what the authority calls everybody.
const ID = "anonymous"

// Config describes a Verifier.
type Config struct {
	Name     identity.Authority
	Networks []netip.Prefix // from which clients may be anonymous; empty: from everywhere
	// Sentinel: every client sends the NATS user JWT that nats-server needs to ask, as in
	// operator mode. Otherwise a JWT is a credential, and its client is not anonymous.
	Sentinel bool
}

// Verifier recognises clients that present nothing.
type Verifier struct{ cfg Config }

// NewVerifier returns a Verifier.
func NewVerifier(cfg Config) *Verifier { return &Verifier{cfg} }

// Name returns "anonymous".
func (*Verifier) Name() string { return "anonymous" }

// Verify implements tokens.Verifier.
func (v *Verifier) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	if !c.Anonymous() || !v.cfg.Sentinel && c.NATSJWT != "" {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	id := identity.Identity{ID: ID, Authority: v.cfg.Name, Method: identity.MethodAnonymous, Networks: v.cfg.Networks}
	addr := c.Addr()
	if len(v.cfg.Networks) > 0 && !slices.ContainsFunc(v.cfg.Networks, func(n netip.Prefix) bool { return n.Contains(addr) }) {
		return identity.Identity{}, tokens.Reject(CodeNetwork, "clients without a credential are not accepted from this address", id)
	}
	selection, err := c.UserSelection()
	if err != nil {
		return identity.Identity{}, tokens.Reject(tokens.CodeSelection, err.Error(), id)
	}
	id.Selection = selection
	return id, nil
}
