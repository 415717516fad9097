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
	ErrUnknownSigner = errors.New("signer is neither the account nor one of its signing keys")
	ErrStrictSigner  = errors.New("signed by the account's own key, but the operator requires signing keys")
	ErrScope         = errors.New("scoped signing key refuses it")
	ErrTemplate      = errors.New("template of the scoped signing key yields no valid permissions")
)

// AccountOf returns the public key of a user's account.
func AccountOf(u *jwt.UserClaims) string {
	if u.IssuerAccount != "" {
		return u.IssuerAccount
	}
	return u.Issuer
}

// Limits returns the permissions and limits that nats-server applies to a user of an
// account: those of its JWT, or the expanded template of the scoped signing key that
// signed it. strict: the operator requires signing keys.
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

// expand expands a template as nats-server does (server/auth.go,
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
		expanded, err := substitute([]string{subject}, a, u)
		if err != nil {
			return nil, err
		}
		for _, s := range expanded {
			switch {
			case validSubject(s):
				out = append(out, s)
			case denies:
				return nil, fmt.Errorf("%w: deny of %q becomes %q", ErrTemplate, subject, s)
			}
		}
		if len(expanded) == 0 && denies {
			return nil, fmt.Errorf("%w: deny of %q: no such tag", ErrTemplate, subject)
		}
	}
	return out, nil
}

// substitute replaces the first "{{…}}" of every subject by each of its values, until
// none is left.
func substitute(subjects []string, a *jwt.AccountClaims, u *jwt.UserClaims) ([]string, error) {
	const limit = 4096 // as in nats-server
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
			return nil, fmt.Errorf("%w: %q: unknown function %q", ErrTemplate, s, op)
		}
		tails, err := substitute([]string{tail}, a, u)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			for _, t := range tails {
				out = append(out, head+v+t)
			}
		}
		if len(out) > limit {
			return nil, fmt.Errorf("%w: %q expands to more than %d subjects", ErrTemplate, s, limit)
		}
	}
	return out, nil
}

// values returns the values of a template function, such as "tag(project)".
func values(op string, a *jwt.AccountClaims, u *jwt.UserClaims) ([]string, bool) {
	name, arg, _ := strings.Cut(strings.TrimSuffix(op, ")"), "(")
	if !strings.HasSuffix(op, ")") {
		return nil, false
	}
	switch strings.ToLower(name) {
	case "name":
		return []string{u.Name}, arg == ""
	case "subject":
		return []string{u.Subject}, arg == ""
	case "account-name":
		return []string{a.Name}, arg == ""
	case "account-subject":
		return []string{a.Subject}, arg == ""
	case "tag":
		return tagValues(u.Tags, arg), true
	case "account-tag":
		return tagValues(a.Tags, arg), true
	}
	return nil, false
}

func tagValues(tags jwt.TagList, name string) []string {
	var out []string
	for _, t := range tags {
		if v, ok := strings.CutPrefix(t, strings.ToLower(name)+":"); ok {
			out = append(out, v)
		}
	}
	return out
}

// validSubject reports whether nats-server accepts s as a subject. A queue group may
// follow the subject.
func validSubject(s string) bool {
	if s == "" || strings.ContainsAny(s, "\t\n\f\r") {
		return false
	}
	subject, _, _ := strings.Cut(s, " ")
	tokens := strings.Split(subject, ".")
	return !slices.Contains(tokens, "") && !slices.Contains(tokens[:len(tokens)-1], ">")
}

// DeniesAll reports whether publish and subscribe are denied for every subject.
func DeniesAll(l *jwt.UserPermissionLimits) bool {
	return l.Pub.Deny.Contains(">") && l.Sub.Deny.Contains(">") && l.Resp == nil
}
