package main

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// logoutToken ends the session of a user, and returns its logout token (OpenID Connect
// Back-Channel Logout 1.0 section 2.4). Parameters of the request replace its claims; an empty
// one removes a claim.
func (s *store) logoutToken(issuer string, r *http.Request) (string, error) {
	if err := r.ParseForm(); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	user, now := r.PostForm.Get("sub"), time.Now()
	claims := map[string]any{
		"iss": issuer, "aud": nativeID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(), "sub": user,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	for name, values := range r.PostForm {
		if claims[name] = values[0]; values[0] == "" {
			delete(claims, name)
		}
	}
	s.ended++
	k := s.keys[len(s.keys)-1]
	options := (&jose.SignerOptions{}).WithType("logout+jwt").WithHeader("kid", k.id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: k.private}, options)
	if err != nil {
		return "", err
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	return strings.TrimSpace(text), err
}
