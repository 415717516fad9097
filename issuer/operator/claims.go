package operator

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// Clone returns a deep copy of account claims.
func Clone(c *jwt.AccountClaims) (*jwt.AccountClaims, error) {
	// Only a signed JWT has all of the claims, so encode and decode one.
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

// ErrUnscoped: a signing key would not have its scope. Then user JWTs without
// permissions would let clients do everything.
var ErrUnscoped = errors.New("signing key without its scope")

// AddSigningKey adds a signing key with a scope; empty: without a scope. The template
// of the scope is that of key like, or of another key with the same role. It is no error
// if the account has the key already, with that scope and template.
func AddSigningKey(c *jwt.AccountClaims, scope, like, key string) error {
	template, err := templateOf(c, scope, like)
	if err != nil {
		return err
	}
	if c.SigningKeys.Contains(key) {
		current, _ := userScope(c, key)
		switch {
		case ScopeOf(c, key) != scope, (current == nil) != (scope == ""):
			return fmt.Errorf("%w: %s has scope %q in the JWT of %s, not %q", ErrUnscoped, key, ScopeOf(c, key), c.Name, scope)
		case current != nil && template != nil && !reflect.DeepEqual(current.Template, template.Template):
			return fmt.Errorf("%w: in the JWT of %s the template of %s differs from that of %s", ErrUnscoped, c.Name, key, template.Key)
		}
		return nil
	}
	switch {
	case scope == "":
		c.SigningKeys.Add(key)
	case template == nil:
		return fmt.Errorf("%w: no key in the JWT of %s has scope %q, so there is no template", ErrUnscoped, c.Name, scope)
	default:
		added := *template
		added.Key = key
		c.SigningKeys.AddScopedSigner(&added)
	}
	return nil
}

// templateOf returns the scope of key like, or of another key with the same role; nil:
// there is none. It is an error if key like has another scope.
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

// RemoveSigningKey removes a signing key, if the account has it.
func RemoveSigningKey(c *jwt.AccountClaims, key string) { c.SigningKeys.Remove(key) }

// SetXKey sets the xkey to which servers encrypt their requests.
func SetXKey(c *jwt.AccountClaims, key string) { c.Authorization.XKey = key }

// ErrNotOperator: the key for account JWTs is not an operator key.
var ErrNotOperator = errors.New("not the seed of an operator or of its signing key (SO…)")

// Sign signs account claims. It returns an error for claims that nats-server would
// refuse.
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
		return "", fmt.Errorf("servers would refuse the account JWT of %s: %w", c.Name, errors.Join(errs...))
	}
	text, err := c.Encode(operator)
	if err != nil {
		return "", fmt.Errorf("sign account JWT: %w", err)
	}
	return text, nil
}

// CheckSigner reports whether a key may sign account JWTs for an operator. Call it
// before a push: a resolver does not check who signed the JWT that it stores.
func CheckSigner(c *jwt.OperatorClaims, signer nkeys.KeyPair) error {
	public, err := signer.PublicKey()
	switch {
	case err != nil:
		return fmt.Errorf("operator's key: %w", err)
	case nkeys.Prefix(public) != nkeys.PrefixByteOperator:
		return ErrNotOperator
	case public == c.Subject && c.StrictSigningKeyUsage:
		return fmt.Errorf("operator %s requires a signing key, not the operator's own key", c.Name)
	case public != c.Subject && !c.SigningKeys.Contains(public):
		return fmt.Errorf("%s is neither operator %s nor one of its signing keys", public, c.Name)
	}
	return nil
}
