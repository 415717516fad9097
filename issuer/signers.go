package issuer

import (
	"errors"
	"fmt"

	"usher/permissions"
)

// ErrNoSigningKey: the keyring has no signing key for the account (and scope) of a
// grant. That is a configuration fault and not a denial.
var ErrNoSigningKey = errors.New("no signing key")

// Place is the account and scope for which a signing key signs user JWTs.
type Place struct {
	Account string // name, as in grants
	Scope   string // of a scoped signing key; empty: the key has no scope
}

// String returns text such as "APP" or "APP, scope publisher".
func (p Place) String() string {
	if p.Scope == "" {
		return p.Account
	}
	return p.Account + ", scope " + p.Scope
}

// Signers are the keys that answer the requests of one server. In config mode one
// issuer signs everything. In operator mode a signing key of the callout account
// signs responses, and a signing key of the user's account signs user JWTs.
type Signers struct {
	response Signer
	callout  string // public key of the callout account; empty: config mode
	system   Account
	users    map[Place]userSigner
}

// userSigner signs user JWTs on behalf of an account.
type userSigner struct {
	Signer
	account string // public key
}

// SingleIssuer returns the Signers of config mode: one issuer that signs everything.
func SingleIssuer(s Signer) *Signers { return &Signers{response: s} }

// Has reports whether there is a key for the user JWTs of an account and scope.
func (s *Signers) Has(p Place) bool {
	if s.callout == "" {
		return p.Scope == ""
	}
	_, ok := s.users[p]
	return ok
}

// Response returns the public key that signs responses.
func (s *Signers) Response() string { return s.response.PublicKey() }

// User returns the public key that signs the user JWTs of an account and scope;
// empty: there is none.
func (s *Signers) User(p Place) string {
	if s.callout == "" {
		return s.Response()
	}
	if u, ok := s.users[p]; ok {
		return u.PublicKey()
	}
	return ""
}

// user returns the signer of the user JWT of a grant, and the public key of the
// account that it signs for; empty in config mode.
func (s *Signers) user(g *permissions.Grant) (Signer, string, error) {
	place := Place{Account: g.Account, Scope: g.Scope}
	if s.callout == "" {
		if g.Scope != "" {
			return nil, "", fmt.Errorf("%w for %s: scopes are for operator mode", ErrNoSigningKey, place)
		}
		return s.response, "", nil
	}
	u, ok := s.users[place]
	switch {
	case !ok:
		return nil, "", fmt.Errorf("%w for %s", ErrNoSigningKey, place)
	case u.account == s.callout: // Policy.Validate compares names; this catches an alias
		return nil, "", fmt.Errorf("%w: %q is the callout account, where every credential can be seen", permissions.ErrInvariant, g.Account)
	case u.account == s.system.PublicKey && g.Account != s.system.Name: // an alias, too
		return nil, "", fmt.Errorf("%w: %q is the system account %s under another name", permissions.ErrInvariant, g.Account, s.system.Name)
	}
	return u.Signer, u.account, nil
}
