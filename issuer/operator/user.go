package operator

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
)

// Reasons for which a server refuses a user JWT.
var (
	ErrOtherAccount  = errors.New("user JWT of another account")
	ErrUnknownSigner = errors.New("signer is not the account, nor one of its signing keys")
	ErrStrictSigner  = errors.New("signed by the account's own key, and the operator demands signing keys")
	ErrScope         = errors.New("scoped signing key refuses it")
	ErrTemplate      = errors.New("template of the scoped signing key makes no permissions")
)

// AccountOf returns the public key of the account that a user is in.
func AccountOf(u *jwt.UserClaims) string {
	if u.IssuerAccount != "" {
		return u.IssuerAccount
	}
	return u.Issuer
}

// Limits returns what a user of an account may do as nats-server takes it: what
// its JWT says, or the template of the scoped signing key that signed it. strict
// says that the operator demands signing keys.
func Limits(a *jwt.AccountClaims, u *jwt.UserClaims, strict bool) (jwt.UserPermissionLimits, error) {
	if AccountOf(u) != a.Subject {
		return jwt.UserPermissionLimits{}, fmt.Errorf("%w: %s", ErrOtherAccount, AccountOf(u))
	}
	if !a.SigningKeys.Contains(u.Issuer) {
		switch {
		case u.Issuer != a.Subject:
			return jwt.UserPermissionLimits{}, fmt.Errorf("%w: %s", ErrUnknownSigner, u.Issuer)
		case strict:
			return jwt.UserPermissionLimits{}, ErrStrictSigner
		}
		return u.UserPermissionLimits, nil
	}
	scope, ok := userScope(a, u.Issuer)
	if !ok {
		return u.UserPermissionLimits, nil
	}
	if err := scope.ValidateScopedSigner(u); err != nil {
		return jwt.UserPermissionLimits{}, fmt.Errorf("%w: %w", ErrScope, err)
	}
	return expand(scope.Template, a, u)
}

// expand fills a template in as nats-server does (server/auth.go,
// processUserPermissionsTemplate).
func expand(limits jwt.UserPermissionLimits, a *jwt.AccountClaims, u *jwt.UserClaims) (jwt.UserPermissionLimits, error) {
	for _, p := range []*jwt.Permission{&limits.Pub, &limits.Sub} {
		stated := len(p.Allow) > 0
		var err error
		if p.Allow, err = expandAll(p.Allow, a, u, false); err == nil {
			p.Deny, err = expandAll(p.Deny, a, u, true)
		}
		if err != nil {
			return jwt.UserPermissionLimits{}, err
		}
		if stated && len(p.Allow) == 0 {
			p.Deny.Add(">")
		}
	}
	return limits, nil
}

func expandAll(list jwt.StringList, a *jwt.AccountClaims, u *jwt.UserClaims, denies bool) (jwt.StringList, error) {
	var out jwt.StringList
	for _, subject := range list {
		filled, err := fill([]string{subject}, a, u)
		if err != nil {
			return nil, err
		}
		for _, s := range filled {
			switch {
			case validSubject(s):
				out = append(out, s)
			case denies:
				return nil, fmt.Errorf("%w: deny of %q becomes %q", ErrTemplate, subject, s)
			}
		}
		if len(filled) == 0 && denies {
			return nil, fmt.Errorf("%w: deny of %q, and there is no such tag", ErrTemplate, subject)
		}
	}
	return out, nil
}

// fill replaces the first "{{…}}" of every subject by each of its values, until
// none is left.
func fill(subjects []string, a *jwt.AccountClaims, u *jwt.UserClaims) ([]string, error) {
	const limit = 4096 // nats-server's own
	var out []string
	for _, s := range subjects {
		head, rest, found := strings.Cut(s, "{{")
		op, tail, closed := strings.Cut(rest, "}}")
		if !found || !closed {
			out = append(out, s)
			continue
		}
		values, ok := values(strings.TrimSpace(op), a, u)
		if !ok {
			return nil, fmt.Errorf("%w: %q knows no %q", ErrTemplate, s, op)
		}
		tails, err := fill([]string{tail}, a, u)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			for _, t := range tails {
				out = append(out, head+v+t)
			}
		}
		if len(out) > limit {
			return nil, fmt.Errorf("%w: %q stands for more than %d subjects", ErrTemplate, s, limit)
		}
	}
	return out, nil
}

// values returns what a word of a template stands for.
func values(op string, a *jwt.AccountClaims, u *jwt.UserClaims) ([]string, bool) {
	word, arg, _ := strings.Cut(strings.TrimSuffix(op, ")"), "(")
	if !strings.HasSuffix(op, ")") {
		return nil, false
	}
	switch strings.ToLower(word) {
	case "name":
		return []string{u.Name}, arg == ""
	case "subject":
		return []string{u.Subject}, arg == ""
	case "account-name":
		return []string{a.Name}, arg == ""
	case "account-subject":
		return []string{a.Subject}, arg == ""
	case "tag":
		return tagged(u.Tags, arg), true
	case "account-tag":
		return tagged(a.Tags, arg), true
	}
	return nil, false
}

func tagged(tags jwt.TagList, name string) []string {
	var out []string
	for _, t := range tags {
		if v, ok := strings.CutPrefix(t, strings.ToLower(name)+":"); ok {
			out = append(out, v)
		}
	}
	return out
}

// validSubject reports whether nats-server takes s for a subject, a queue group
// after it aside.
func validSubject(s string) bool {
	if s == "" || strings.ContainsAny(s, "\t\n\f\r") {
		return false
	}
	subject, _, _ := strings.Cut(s, " ")
	tokens := strings.Split(subject, ".")
	return !slices.Contains(tokens, "") && !slices.Contains(tokens[:len(tokens)-1], ">")
}

// Silent reports whether nothing may be published and nothing subscribed to.
func Silent(l *jwt.UserPermissionLimits) bool {
	return l.Pub.Deny.Contains(">") && l.Sub.Deny.Contains(">") && l.Resp == nil
}
