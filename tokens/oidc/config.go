package oidc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/identity"
	"usher/tokens/oidc/jwt"
	"usher/tokens/oidc/keyset"
)

// TokenType is the kind of token that an authority issues for usher. Each has rules that
// refuse the others (RFC 8725 section 3.12).
type TokenType string

// The types of tokens.
const (
	TypeAccess     TokenType = "access"     // RFC 9068
	TypeID         TokenType = "id"         // OpenID Connect Core section 2
	TypeJWT        TokenType = "jwt"        // any other, such as JWT-SVIDs and tokens of CI jobs
	TypeKubernetes TokenType = "kubernetes" // of service accounts
)

// Bounds of a configuration.
const (
	DefaultLeeway  = 30 * time.Second
	MaxLeeway      = 5 * time.Minute
	DefaultMaxSize = 8 << 10  // bytes of a token
	MaxSize        = 64 << 10 // nats-server takes no longer CONNECT by default
)

// DefaultAlgorithms are those that an authority may use unless configured.
func DefaultAlgorithms() []string { return []string{"RS256", "ES256", "EdDSA"} }

// Authority describes who issues tokens, and which of them are good for usher.
type Authority struct {
	Name       string // of the configuration; identities have it
	Issuer     string // exactly the claim iss
	TokenType  TokenType
	AnyTyp     bool     // TypeAccess: also tokens that do not say so in their header
	Audiences  []string // the claim aud has to contain one of them
	Algorithms []string // empty: DefaultAlgorithms
	// Clients are the parties that a token may have been issued to (client_id or azp);
	// empty: any for TypeAccess, and Audiences for TypeID.
	Clients  []string
	Required map[string]string // claim → its value, or AnyValue
	Leeway   time.Duration
	MaxSize  int // bytes of a token; zero: DefaultMaxSize

	Logout          bool     // VerifyLogout takes its logout tokens
	LogoutAudiences []string // the claim aud of those has to contain one of them; empty: Audiences

	Keys keyset.Config // Name and Leeway are set from the above
}

// AnyValue is the value of a required claim that may have any.
const AnyValue = "*"

// check returns an error for what would let in a token that nobody meant to let in.
func (a *Authority) check() error {
	switch {
	case a.Name == "" || a.Issuer == "":
		return errors.New("needs a name and an issuer")
	case a.Name == string(identity.AuthorityDirectory) || a.Name == string(identity.AuthorityUsher):
		return errors.New("has the name of an authority of usher's own")
	case len(a.Audiences) == 0 || slices.Contains(a.Audiences, ""):
		return errors.New("needs at least one audience, or it would take the tokens of every other service")
	case a.Leeway < 0 || a.Leeway > MaxLeeway:
		return fmt.Errorf("leeway must be from 0 to %v", MaxLeeway)
	case a.MaxSize < 0 || a.MaxSize > MaxSize:
		return fmt.Errorf("max_size must be from 0 to %d", MaxSize)
	case a.AnyTyp && a.TokenType != TypeAccess:
		return errors.New("only access tokens have a type that need not be required")
	case !slices.Contains([]TokenType{TypeAccess, TypeID, TypeJWT, TypeKubernetes}, a.TokenType):
		return fmt.Errorf("token type %q is none of access, id, jwt and kubernetes", a.TokenType)
	}
	return CheckAlgorithms(a.Algorithms)
}

// CheckAlgorithms returns an error unless all are algorithms that usher verifies. "none"
// and HMAC, whose key the authority and usher would share, never are.
func CheckAlgorithms(names []string) error {
	for _, name := range names {
		switch {
		case strings.EqualFold(name, "none") || strings.HasPrefix(strings.ToUpper(name), "HS"):
			return fmt.Errorf("algorithm %s proves nothing to usher: it needs no private key", name)
		case !slices.Contains(jwt.Algorithms(), name):
			return fmt.Errorf("algorithm %.20q is none of %s", name, strings.Join(jwt.Algorithms(), ", "))
		}
	}
	return nil
}
