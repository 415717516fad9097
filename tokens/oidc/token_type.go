package oidc

import (
	"fmt"
	"slices"
	"strings"

	"usher/tokens/oidc/jwt"
)

// checkType refuses a token of another type than the authority's, so that a token that
// was issued for one purpose is not used for another (RFC 8725 section 3.11).
func (a *authority) checkType(t *jwt.Token) error {
	typ := strings.TrimPrefix(strings.ToLower(t.Type), "application/") // media types (RFC 7515 section 4.1.9)
	plain := typ == "" || typ == "jwt"
	switch a.TokenType {
	case TypeAccess:
		return a.checkAccess(t, typ, plain)
	case TypeID:
		if !plain {
			return wrongType(t, "an ID token")
		}
		return a.checkID(t.Claims)
	case TypeJWT:
		if !plain && typ != "jose" {
			return wrongType(t, "a JWT of no special type")
		}
		if isLogout(t.Claims) {
			return reject(CodeTokenType, "a logout token is no credential")
		}
	case TypeKubernetes:
		if !plain {
			return wrongType(t, "a token of a service account")
		}
	}
	return a.checkClient(t.Claims, a.Clients)
}

func wrongType(t *jwt.Token, want string) error {
	return reject(CodeTokenType, fmt.Sprintf("the header has typ %.40q, which is not that of %s", t.Type, want))
}

// checkAccess checks what RFC 9068 section 2 requires. Many providers issue access tokens
// without that type; then an ID token must be told by its claims.
func (a *authority) checkAccess(t *jwt.Token, typ string, plain bool) error {
	switch {
	case typ == "at+jwt":
		if missing := missing(t.Claims, "client_id", "iat", "jti"); missing != "" && !a.AnyTyp {
			return reject(CodeClaims, "an access token has the claim "+missing+" (RFC 9068)")
		}
	case !a.AnyTyp || !plain:
		return wrongType(t, "an access token, at+jwt")
	default:
		for _, name := range []string{"nonce", "at_hash", "c_hash", "events"} { // OpenID Connect Core section 2, RFC 8417
			if _, ok := t.Claims[name]; ok {
				return reject(CodeTokenType, "the claim "+name+" is not that of an access token")
			}
		}
		if kind, ok := t.Claims["typ"].(string); ok && !strings.EqualFold(kind, "bearer") { // Keycloak: ID, Refresh, Offline
			return reject(CodeTokenType, fmt.Sprintf("the claim typ is %.40q instead of Bearer", kind))
		}
	}
	return a.checkClient(t.Claims, a.Clients)
}

// checkID checks what OpenID Connect Core sections 2 and 3.1.3.7 require.
func (a *authority) checkID(claims map[string]any) error {
	if missing(claims, "iat") != "" {
		return reject(CodeClaims, "an ID token has the claim iat")
	}
	if _, ok := claims["events"]; ok { // a logout token (OpenID Connect Back-Channel Logout section 2.4)
		return reject(CodeTokenType, "the claim events is not that of an ID token")
	}
	clients := a.Clients
	if len(clients) == 0 {
		clients = a.Audiences
	}
	of, err := audiences(claims)
	if err != nil {
		return reject(CodeAudience, err.Error())
	}
	azp, stated := claims["azp"]
	if !stated {
		if len(of) > 1 {
			return reject(CodeAudience, "the token has several audiences and no claim azp")
		}
		azp = of[0] // the client that it was issued to
	}
	if party, ok := azp.(string); !ok || !slices.Contains(clients, party) {
		return reject(CodeAudience, "the token was issued to a client (azp, or else aud) that "+a.Name+" does not allow")
	}
	return nil
}

// checkClient checks the party that a token was issued to, if the configuration limits
// it. appid is what Entra ID calls it in tokens of version 1.
func (a *authority) checkClient(claims map[string]any, clients []string) error {
	if len(clients) == 0 {
		return nil
	}
	for _, name := range []string{"client_id", "azp", "appid"} {
		if v, ok := claims[name]; ok {
			if party, ok := v.(string); ok && slices.Contains(clients, party) {
				return nil
			}
			break
		}
	}
	return reject(CodeAudience, "the token was not issued to a client that "+a.Name+" allows")
}

// missing returns the first of these claims that is not there.
func missing(claims map[string]any, names ...string) string {
	for _, name := range names {
		if _, ok := claims[name]; !ok {
			return name
		}
	}
	return ""
}
