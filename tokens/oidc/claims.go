package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"usher/identity"
	"usher/tokens"
	"usher/tokens/oidc/jwt"
)

// Bounds of claims.
const (
	maxSubject   = 255             // bytes (OpenID Connect Core section 2)
	maxAudiences = 64              // entries of aud
	maxTime      = 253_402_300_800 // seconds; the year 10000, past which a time is in other units
)

// times are the times of a token.
type times struct{ issued, notBefore, expires time.Time }

// identify returns the identity that a token's claims describe, with everything of them
// checked but the signature. The identity is returned beside an error too, where the
// claims give one.
func (a *authority) identify(t *jwt.Token, now time.Time) (identity.Identity, times, error) {
	nobody := identity.Identity{}
	subject, ok := t.Claims["sub"].(string)
	if !ok || !printable(subject) {
		return nobody, times{}, reject(CodeClaims, "the claim sub is not a text of 1 to 255 printable bytes")
	}
	when, err := readTimes(t.Claims, now)
	if err != nil {
		return nobody, when, err
	}
	id := identity.Identity{
		ID:         subject,
		Authority:  identity.Authority(a.Name),
		Method:     identity.MethodOIDC,
		NotAfter:   when.expires,
		Attributes: identity.Attributes{"claims": t.Claims},
	}
	if !now.Before(when.expires) { // within the leeway: the end of a grant is not in the past
		id.NotAfter = when.expires.Add(a.Leeway)
	}
	if a.TokenType == TypeKubernetes {
		id.Method = identity.MethodKubernetes
		if id.Attributes["kubernetes"], err = kubernetes(t.Claims, subject); err != nil {
			return nobody, when, err
		}
	}
	for _, check := range []func() error{
		func() error { return a.checkType(t) },
		func() error { return a.checkTimes(when, now) },
		func() error { return a.checkAudience(t.Claims) },
		func() error { return a.checkRequired(t.Claims) },
	} {
		if err := check(); err != nil {
			return id, when, err
		}
	}
	return id, when, nil
}

func printable(s string) bool {
	return s != "" && len(s) <= maxSubject && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// readTimes reads the times of a token. A token without iat was issued now as far as
// anybody knows.
func readTimes(claims map[string]any, now time.Time) (times, error) {
	when := times{issued: now}
	for _, read := range []struct {
		name     string
		to       *time.Time
		required bool
	}{
		{"exp", &when.expires, true}, {"nbf", &when.notBefore, false}, {"iat", &when.issued, false},
	} {
		v, ok := claims[read.name]
		if !ok && !read.required {
			continue
		}
		seconds, ok := v.(float64)
		if !ok || seconds < 0 || seconds >= maxTime {
			return when, reject(CodeClaims, "the claim "+read.name+" is not a time in seconds since 1970")
		}
		whole := int64(seconds)
		*read.to = time.Unix(whole, int64((seconds-float64(whole))*1e9)).UTC()
	}
	return when, nil
}

func (a *authority) checkTimes(when times, now time.Time) error {
	switch {
	case !now.Before(when.expires.Add(a.Leeway)):
		return reject(CodeExpired, "the token expired at "+when.expires.Format(time.RFC3339))
	case now.Add(a.Leeway).Before(when.notBefore):
		return reject(CodeNotYetValid, "the token is not valid before "+when.notBefore.Format(time.RFC3339))
	case now.Add(a.Leeway).Before(when.issued):
		return reject(CodeNotYetValid, "the token was issued in the future, at "+when.issued.Format(time.RFC3339))
	}
	return nil
}

var errAudience = errors.New("the claim aud is neither a text nor a list of texts")

// audiences returns the claim aud (RFC 7519 section 4.1.3).
func audiences(claims map[string]any) ([]string, error) {
	switch aud := claims["aud"].(type) {
	case string:
		return []string{aud}, nil
	case []any:
		if len(aud) == 0 || len(aud) > maxAudiences {
			return nil, fmt.Errorf("the claim aud has %d entries, and 1 to %d are allowed", len(aud), maxAudiences)
		}
		texts := make([]string, len(aud))
		for i, v := range aud {
			s, ok := v.(string)
			if !ok {
				return nil, errAudience
			}
			texts[i] = s
		}
		return texts, nil
	}
	return nil, errAudience
}

func (a *authority) checkAudience(claims map[string]any) error {
	of, err := audiences(claims)
	if err != nil {
		return reject(CodeAudience, err.Error())
	}
	if !slices.ContainsFunc(of, func(s string) bool { return slices.Contains(a.Audiences, s) }) {
		return reject(CodeAudience, fmt.Sprintf("the token is for %.200q, and not for an audience of %s", of, a.Name))
	}
	return nil
}

// checkRequired checks the claims that the configuration requires.
func (a *authority) checkRequired(claims map[string]any) error {
	for name, want := range a.Required {
		v, ok := claims[name]
		if !ok || v == nil || want != AnyValue && !has(v, want) {
			return reject(CodeClaims, fmt.Sprintf("the claim %s is not as %s requires", name, a.Name))
		}
	}
	return nil
}

// has reports whether a claim has a value, or is a list that contains it.
func has(claim any, value string) bool {
	switch v := claim.(type) {
	case string:
		return v == value
	case bool:
		return strconv.FormatBool(v) == value
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64) == value
	case json.Number:
		return string(v) == value
	case []any:
		return slices.ContainsFunc(v, func(e any) bool {
			_, nested := e.([]any)
			return !nested && has(e, value)
		})
	}
	return false
}

// reject returns a rejection of a token that is nobody's before its signature is verified.
func reject(code, cause string) error { return tokens.Reject(code, cause, identity.Identity{}) }
