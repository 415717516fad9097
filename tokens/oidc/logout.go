package oidc

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/identity"
	"usher/tokens/oidc/jwt"
	"usher/tokens/oidc/keyset"
)

// logoutEvent is the event that a logout token is about (OpenID Connect Back-Channel Logout
// 1.0 section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// MaxLogoutAge is how old a logout token may be. Providers send it at once, and repeat it for
// some minutes.
const MaxLogoutAge = 10 * time.Minute

// Logout says who has logged out at an authority: a session there, or else a subject with all
// of its sessions. One of SessionID and Subject at least is set.
type Logout struct {
	Authority identity.Authority
	Subject   string // claim sub
	SessionID string // claim sid
	TokenID   string // claim jti
	Issued    time.Time
}

// VerifyLogout verifies a logout token of an authority for which Logout is set. The errors are
// those of Verify. It does not remember tokens: whoever acts on one must ignore its repetition,
// or act so that it has no effect.
func (v *Verifier) VerifyLogout(ctx context.Context, text string) (Logout, error) {
	t, err := v.parser.Parse(text)
	if err != nil {
		if errors.Is(err, jwt.ErrNATS) || errors.Is(err, jwt.ErrEncrypted) {
			return Logout{}, reject(CodeMalformed, err.Error())
		}
		return Logout{}, unread(err)
	}
	issuer, ok := t.Claims["iss"].(string)
	if !ok {
		return Logout{}, reject(CodeClaims, "the claim iss is not a text")
	}
	a := v.issuers[issuer]
	if a == nil || !a.Logout {
		return Logout{}, reject(CodeIssuerUnknown, fmt.Sprintf("no authority with backchannel_logout has the issuer %.100q", issuer))
	}
	return a.verifyLogout(ctx, t, len(text), v.now())
}

func (a *authority) verifyLogout(ctx context.Context, t *jwt.Token, size int, now time.Time) (Logout, error) {
	switch {
	case size > a.MaxSize:
		return Logout{}, reject(CodeTooLarge, fmt.Sprintf("the token has %d bytes, and %s allows %d", size, a.Name, a.MaxSize))
	case !slices.Contains(a.Algorithms, t.Algorithm):
		return Logout{}, reject(CodeAlgorithm, fmt.Sprintf("%s does not allow algorithm %s", a.Name, t.Algorithm))
	}
	out, err := a.readLogout(t, now)
	if err != nil {
		return Logout{}, err
	}
	err = a.keys.Verify(ctx, keyID(t.Header), out.Issued, func(key crypto.PublicKey) bool { return t.Verify(key) })
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, keyset.ErrUnknown):
		return Logout{}, reject(CodeKeyUnknown, fmt.Sprintf("%s has no key %.64q for algorithm %s", a.Name, t.KeyID, t.Algorithm))
	case errors.Is(err, keyset.ErrSignature):
		return Logout{}, reject(CodeSignature, "the signature is not of a key of "+a.Name)
	}
	return Logout{}, err
}

// readLogout checks what section 2.6 requires of a logout token, but for its signature.
func (a *authority) readLogout(t *jwt.Token, now time.Time) (Logout, error) {
	out := Logout{Authority: identity.Authority(a.Name)}
	if typ := strings.TrimPrefix(strings.ToLower(t.Type), "application/"); typ != "" && typ != "jwt" && typ != "logout+jwt" {
		return out, wrongType(t, "a logout token, logout+jwt")
	}
	if !isLogout(t.Claims) {
		return out, reject(CodeTokenType, "the claim events does not have "+logoutEvent)
	}
	if _, ok := t.Claims["nonce"]; ok {
		return out, reject(CodeTokenType, "a logout token has no claim nonce")
	}
	if name := missing(t.Claims, "iat", "jti"); name != "" {
		return out, reject(CodeClaims, "a logout token has the claim "+name)
	}
	for _, text := range []struct {
		name string
		to   *string
	}{{"sub", &out.Subject}, {"sid", &out.SessionID}, {"jti", &out.TokenID}} {
		v, ok := t.Claims[text.name]
		if !ok {
			continue
		}
		if *text.to, ok = v.(string); !ok || !printable(*text.to) {
			return out, reject(CodeClaims, "the claim "+text.name+" is not a text of 1 to 255 printable bytes")
		}
	}
	if out.Subject == "" && out.SessionID == "" {
		return out, reject(CodeClaims, "a logout token has the claim sub, or sid, or both")
	}
	when, err := readTimes(t.Claims, now)
	if err == nil {
		err = a.checkTimes(when, now)
	}
	if err != nil {
		return out, err
	}
	if out.Issued = when.issued; now.Sub(out.Issued) > MaxLogoutAge+a.Leeway {
		return out, reject(CodeExpired, fmt.Sprintf("the logout token was issued at %s, more than %s ago", out.Issued.Format(time.RFC3339), MaxLogoutAge))
	}
	of, err := audiences(t.Claims)
	if err != nil {
		return out, reject(CodeAudience, err.Error())
	}
	allowed := a.LogoutAudiences
	if len(allowed) == 0 {
		allowed = a.Audiences
	}
	if !slices.ContainsFunc(of, func(s string) bool { return slices.Contains(allowed, s) }) {
		return out, reject(CodeAudience, fmt.Sprintf("the logout token is for %.200q, and not for a client that %s allows", of, a.Name))
	}
	return out, nil
}

// isLogout reports whether claims are those of a logout token: the value of the event is an
// object.
func isLogout(claims map[string]any) bool {
	events, _ := claims["events"].(map[string]any)
	_, ok := events[logoutEvent].(map[string]any)
	return ok
}
