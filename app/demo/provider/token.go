package provider

import (
	"net/http"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// The grant types.
const (
	grantCode   = "authorization_code"
	grantDevice = "urn:ietf:params:oauth:grant-type:device_code"
)

// token is the token endpoint (RFC 6749 section 3.2).
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("client_id") != p.cfg.ClientID {
		fail(w, "invalid_client", "client_id is not "+p.cfg.ClientID)
		return
	}
	switch r.PostForm.Get("grant_type") {
	case grantCode:
		a, ok := p.takeCode(r.PostForm)
		if !ok {
			fail(w, "invalid_grant", "the code is not known, was used, or is not this client's")
			return
		}
		p.writeTokens(w, &a.user, a.nonce)
	case grantDevice:
		user, ok := p.takeDevice(r.PostForm.Get("device_code"))
		switch {
		case !ok:
			fail(w, "expired_token", "the device code is not known, was used, or has expired")
		case user == nil:
			fail(w, "authorization_pending", "nobody has logged in yet")
		default:
			p.writeTokens(w, user, "")
		}
	default:
		fail(w, "unsupported_grant_type", "expected "+grantCode+" or "+grantDevice)
	}
}

// userClaims are what tokens say about the user.
type userClaims struct {
	Name   string   `json:"preferred_username"`
	Groups []string `json:"groups,omitempty"`
}

// writeTokens answers with an access token for the audience (RFC 9068) and an ID token
// for the client.
func (p *Provider) writeTokens(w http.ResponseWriter, u *User, nonce string) {
	now := p.cfg.Now()
	standard := jwt.Claims{
		Issuer: p.cfg.Issuer, Subject: u.Name, ID: p.random(16),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(p.cfg.Lifetime)),
	}
	about := userClaims{Name: u.Name, Groups: u.Groups}
	standard.Audience = jwt.Audience{p.cfg.Audience}
	access, err := sign(p.access, standard, about, map[string]any{"client_id": p.cfg.ClientID})
	if err == nil {
		more := map[string]any{}
		if nonce != "" {
			more["nonce"] = nonce
		}
		standard.Audience, standard.ID = jwt.Audience{p.cfg.ClientID}, ""
		var id string
		if id, err = sign(p.id, standard, about, more); err == nil {
			writeJSON(w, http.StatusOK, map[string]any{
				"access_token": access, "id_token": id, "token_type": "Bearer", "expires_in": int(p.cfg.Lifetime.Seconds()),
			})
			return
		}
	}
	http.Error(w, "the tokens cannot be signed", http.StatusInternalServerError)
}

// sign returns a JWT with these claims.
func sign(s jose.Signer, claims ...any) (string, error) {
	b := jwt.Signed(s)
	for _, c := range claims {
		b = b.Claims(c)
	}
	return b.Serialize()
}
