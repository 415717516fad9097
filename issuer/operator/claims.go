package operator

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// Clone returns a copy of account claims that shares nothing with them.
func Clone(c *jwt.AccountClaims) (*jwt.AccountClaims, error) {
	// The text that a key signs is the one complete form that claims have.
	kp, err := nkeys.CreateOperator()
	if err != nil {
		return nil, fmt.Errorf("copy claims: %w", err)
	}
	copied := *c
	text, err := copied.Encode(kp)
	if err != nil {
		return nil, fmt.Errorf("copy claims: %w", err)
	}
	out, err := jwt.DecodeAccountClaims(text)
	if err != nil {
		return nil, fmt.Errorf("copy claims: %w", err)
	}
	out.ClaimsData = c.ClaimsData
	return out, nil
}

// ErrUnscoped: a signing key would not have the scope that it is to have. Without it,
// user JWTs that state nothing would let clients do everything.
var ErrUnscoped = errors.New("signing key without the scope that it is to have")

// AddSigningKey adds a signing key with a scope; empty: none. The template of a scope
// is that of like, or of another key with the same role. It is no error if the key is
// there already, with that scope and that template.
func AddSigningKey(c *jwt.AccountClaims, scope, like, key string) error {
	template, err := templateOf(c, scope, like)
	if err != nil {
		return err
	}
	if c.SigningKeys.Contains(key) {
		have, _ := userScope(c, key)
		switch {
		case ScopeOf(c, key) != scope, (have == nil) != (scope == ""):
			return fmt.Errorf("%w: %s has scope %q in the JWT of %s, not %q", ErrUnscoped, key, ScopeOf(c, key), c.Name, scope)
		case have != nil && template != nil && !reflect.DeepEqual(have.Template, template.Template):
			return fmt.Errorf("%w: the template of %s in the JWT of %s is not that of %s", ErrUnscoped, key, c.Name, template.Key)
		}
		return nil
	}
	switch {
	case scope == "":
		c.SigningKeys.Add(key)
	case template == nil:
		return fmt.Errorf("%w: no key in the JWT of %s has scope %q to take the template from", ErrUnscoped, c.Name, scope)
	default:
		fresh := *template
		fresh.Key = key
		c.SigningKeys.AddScopedSigner(&fresh)
	}
	return nil
}

// templateOf returns the scope of like, or of another key with the same role; nil:
// there is none. A key of another scope in like's place is an error.
func templateOf(c *jwt.AccountClaims, scope, like string) (*jwt.UserScope, error) {
	if c.SigningKeys.Contains(like) && ScopeOf(c, like) != scope {
		return nil, fmt.Errorf("%w: %s has scope %q in the JWT of %s, not %q", ErrUnscoped, like, ScopeOf(c, like), c.Name, scope)
	}
	if scope == "" {
		return nil, nil
	}
	if u, ok := userScope(c, like); ok {
		return u, nil
	}
	for _, key := range slices.Sorted(slices.Values(c.SigningKeys.Keys())) {
		if u, ok := userScope(c, key); ok && u.Role == scope {
			return u, nil
		}
	}
	return nil, nil
}

func userScope(c *jwt.AccountClaims, key string) (*jwt.UserScope, bool) {
	scope, _ := c.SigningKeys.GetScope(key)
	u, ok := scope.(*jwt.UserScope)
	return u, ok && u != nil
}

// ScopeOf returns the role of a scoped signing key; empty: the key has no scope.
func ScopeOf(c *jwt.AccountClaims, key string) string {
	if scope, ok := userScope(c, key); ok {
		return scope.Role
	}
	return ""
}

// RemoveSigningKey takes a signing key away. That it is not there is no error.
func RemoveSigningKey(c *jwt.AccountClaims, key string) { c.SigningKeys.Remove(key) }

// SetXKey sets the xkey that servers seal their requests to.
func SetXKey(c *jwt.AccountClaims, key string) { c.Authorization.XKey = key }

// ErrNotOperator: the key that should sign account JWTs is none of an operator.
var ErrNotOperator = errors.New("not the seed of an operator or of its signing key (SO…)")

// Sign signs account claims for the resolver. What nats-server would refuse is an
// error.
func Sign(c *jwt.AccountClaims, operator nkeys.KeyPair) (string, error) {
	public, err := operator.PublicKey()
	if err != nil {
		return "", fmt.Errorf("sign account JWT: %w", err)
	}
	if nkeys.Prefix(public) != nkeys.PrefixByteOperator {
		return "", ErrNotOperator
	}
	vr := jwt.CreateValidationResults()
	c.Validate(vr)
	if errs := vr.Errors(); len(errs) > 0 {
		return "", fmt.Errorf("account JWT of %s would be refused: %w", c.Name, errors.Join(errs...))
	}
	text, err := c.Encode(operator)
	if err != nil {
		return "", fmt.Errorf("sign account JWT: %w", err)
	}
	return text, nil
}

// CheckSigner reports whether a key may sign account JWTs for an operator. It has
// to be asked before a push: resolvers store what anybody has signed.
func CheckSigner(c *jwt.OperatorClaims, signer nkeys.KeyPair) error {
	public, err := signer.PublicKey()
	switch {
	case err != nil:
		return fmt.Errorf("operator's key: %w", err)
	case nkeys.Prefix(public) != nkeys.PrefixByteOperator:
		return ErrNotOperator
	case public == c.Subject && c.StrictSigningKeyUsage:
		return fmt.Errorf("operator %s demands that a signing key signs, not the operator's own key", c.Name)
	case public != c.Subject && !c.SigningKeys.Contains(public):
		return fmt.Errorf("%s is neither operator %s nor one of its signing keys", public, c.Name)
	}
	return nil
}
