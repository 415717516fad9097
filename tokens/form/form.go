// Package form tells from its form what kind of token a text is, so that a verifier that
// asks another system does not send it what is not meant for it. It verifies nothing.
package form

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/nats-io/jwt/v2"

	"usher/tokens/apikey"
	"usher/tokens/health"
	"usher/tokens/service"
)

// Own reports whether a token is in a form of usher or of NATS: an API key, a token that
// usher gives itself, or a NATS JWT. No other system knows it, so none may see it.
func Own(token string) bool {
	return strings.HasPrefix(token, apikey.Prefix) || OfUsher(token) || IsNATSJWT(token)
}

// OfUsher reports whether a token has the form of those that usher gives itself.
func OfUsher(token string) bool {
	return strings.HasPrefix(token, health.Prefix) || strings.HasPrefix(token, service.Prefix)
}

// IsNATSJWT reports whether the header of a text is that of a NATS JWT.
func IsNATSJWT(text string) bool {
	first, _, ok := strings.Cut(text, ".")
	if !ok {
		return false
	}
	var header jwt.Header
	return decode(first, &header) &&
		(header.Algorithm == jwt.AlgorithmNkey || header.Algorithm == jwt.AlgorithmNkeyOld)
}

// IsJWT reports whether a text is in the form of a JWT, signed or encrypted (RFC 7519
// section 7.2): three or five parts, of which the first is a JSON object.
func IsJWT(text string) bool {
	first, rest, _ := strings.Cut(text, ".")
	if dots := strings.Count(rest, "."); dots != 1 && dots != 3 {
		return false
	}
	var header struct{}
	return decode(first, &header)
}

// Claims are the claims of a JWT that nobody has verified.
type Claims struct {
	Issuer  string      `json:"iss"`
	Expires json.Number `json:"exp"`
}

// Unverified returns the claims of a signed JWT, without verifying anything. ok is false if
// the text is no signed JWT, or the types of the claims are wrong.
func Unverified(text string) (c Claims, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || !IsJWT(text) {
		return c, false
	}
	ok = decode(parts[1], &c)
	return c, ok
}

// decode decodes base64url of a JSON object.
func decode(text string, v any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, v) == nil
}
