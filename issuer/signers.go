package issuer

import (
	"errors"
	"fmt"

	"usher/permissions"
)

// ErrNoSigningKey: no key of the keyring signs user JWTs for the account (and
// scope) of a grant. That is the operator's fault and not a denial.
var ErrNoSigningKey = errors.New("no signing key")

// Place is what the user JWTs of one signing key lead to.
type Place struct {
	Account string // name, as grants say it
	Scope   string // of a scoped signing key; empty: the key has none
}

// String returns the place for people, such as "APP" or "APP, scope publisher".
func (p Place) String() string {
	if p.Scope == "" {
		return p.Account
	}
	return p.Account + ", scope " + p.Scope
}

// Signers are the keys that the requests of one server are answered with. In
// config mode that is one issuer for everything. In operator mode responses are
// signed in the name of the callout account, and user JWTs by the account that
// they lead to.
type Signers struct {
	response Signer
	callout  string // public key of the callout account; empty: config mode
	system   Account
	users    map[Place]userSigner
}

// userSigner signs user JWTs in the name of an account.
type userSigner struct {
	Signer
	account string // public key
}

// Single returns the Signers of config mode: one issuer for everything.
func Single(s Signer) *Signers { return &Signers{response: s} }

// Has reports whether user JWTs for a place can be signed.
func (s *Signers) Has(p Place) bool {
	if s.callout == "" {
		return p.Scope == ""
	}
	_, ok := s.users[p]
	return ok
}

// Response returns the public key that responses are signed with.
func (s *Signers) Response() string { return s.response.PublicKey() }

// User returns the public key that user JWTs for a place are signed with; empty: none
// is.
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
// account in whose name it signs; empty in config mode.
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
	case u.account == s.callout: // under whatever name it is known
		return nil, "", fmt.Errorf("%w: %q is the callout account, where every credential passes by", permissions.ErrInvariant, g.Account)
	case u.account == s.system.PublicKey && g.Account != s.system.Name: // which Policy.Validate knows by its name only
		return nil, "", fmt.Errorf("%w: %q is the system account %s under another name", permissions.ErrInvariant, g.Account, s.system.Name)
	}
	return u.Signer, u.account, nil
}
