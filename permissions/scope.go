package permissions

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/directory"
	"usher/identity"
)

// Denials of verified identities because of a scoped signing key.
var (
	// ErrAmbiguousScope: the user's roles need different signing keys.
	ErrAmbiguousScope = errors.New("roles with different signing keys")
	// ErrNotOneToken: a value for the template is not a single literal token.
	ErrNotOneToken = errors.New("not a single subject token")
	// ErrScopeLimits: the user has limits, which a scoped user JWT cannot carry.
	ErrScopeLimits = errors.New("a scoped user JWT cannot carry limits of the user")
)

// ScopedRole is a role whose permissions come from the template of the account's scoped
// signing key of the same name (operator mode), instead of being derived here.
type ScopedRole struct {
	Account string
	Role    string // project role or service role
}

// scope returns the common scope of all roles; empty: none has one. A user JWT is signed
// with one key, so roles with different scopes are an error.
func (p *Policy) scope(entitlements []entitlement) (string, error) {
	if len(p.Scoped) == 0 {
		return "", nil
	}
	var scopes []string
	for i := range entitlements {
		for _, role := range entitlements[i].roles() {
			if !slices.Contains(p.Scoped, ScopedRole{Account: entitlements[i].account, Role: role}) {
				role = ""
			}
			scopes = append(scopes, role)
		}
	}
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	if len(scopes) > 1 {
		if scopes[0] == "" {
			scopes[0] = "none"
		}
		return "", fmt.Errorf("%w: scopes %s", ErrAmbiguousScope, strings.Join(scopes, ", "))
	}
	if len(scopes) == 0 {
		return "", nil
	}
	return scopes[0], nil
}

// roles returns the roles of one entitlement.
func (x *entitlement) roles() []string {
	switch {
	case x.profile != nil:
		return nil
	case x.membership == nil:
		return []string{string(x.role)}
	}
	roles := make([]string, 0, len(x.membership.Roles))
	for _, r := range x.membership.Roles {
		roles = append(roles, string(r))
	}
	return roles
}

// OnlyScope returns p for a connection that keeps its account and its scope (empty: none):
// only the roles count whose permissions come from there.
func (p *Policy) OnlyScope(account, scope string) *Policy {
	one := *p
	one.only = &ScopedRole{Account: account, Role: scope}
	return &one
}

// ofScope returns what of entitlements counts in a Policy of OnlyScope.
func (p *Policy) ofScope(entitlements []entitlement) []entitlement {
	counts := func(role string) bool {
		if p.only.Role == "" {
			return !slices.Contains(p.Scoped, ScopedRole{Account: p.only.Account, Role: role})
		}
		return role == p.only.Role && slices.Contains(p.Scoped, *p.only)
	}
	var out []entitlement
	for _, x := range entitlements {
		switch {
		case x.account != p.only.Account:
			continue
		case x.membership != nil:
			m := *x.membership
			m.Roles = slices.DeleteFunc(slices.Clone(m.Roles), func(r directory.Role) bool { return !counts(string(r)) })
			if x.membership = &m; len(m.Roles) == 0 {
				continue
			}
		case x.profile == nil && !counts(string(x.role)), x.profile != nil && p.only.Role != "":
			continue
		}
		out = append(out, x)
	}
	return out
}

// applyScope makes g a grant with a scope. The server inserts name and tags into the
// template, so each must be a single token: a user called "*" would get everything.
func applyScope(g *Grant, scope, name string, limits *directory.Limits) error {
	g.Scope = scope
	if len(limits.ConnectionTypes) > 0 {
		return fmt.Errorf("%w: connection_types, scope %s", ErrScopeLimits, scope)
	}
	if err := checkName(g, name); err != nil {
		return err
	}
	g.Networks = nil // a scoped user JWT cannot carry them; the verifier has checked them
	return checkTags(g)
}

func checkName(g *Grant, name string) error {
	if !isSingleToken(name) {
		return fmt.Errorf("%w: user name %q, scope %s", ErrNotOneToken, name, g.Scope)
	}
	return nil
}

// checkTags checks that the value of every tag is a single token.
func checkTags(g *Grant) error {
	for _, tag := range g.Tags {
		if _, value, _ := strings.Cut(tag, ":"); !isSingleToken(value) {
			return fmt.Errorf("%w: tag %q, scope %s", ErrNotOneToken, tag, g.Scope)
		}
	}
	return nil
}

// isSingleToken reports whether s is one literal token of a subject, without the braces
// of a template function.
func isSingleToken(s string) bool { return ValidSubject(s) && !strings.ContainsAny(s, ".*>{}") }

// JWTName returns the name of a user JWT in operator mode: the user name, a comma and
// the selection. When a server is reloaded, it asks again about its connections with
// this name as user name, and a connection that selected a project must not get more
// then. User names have no comma. With a scope the name is the user name alone, because
// the template inserts it into subjects.
func JWTName(id identity.Identity, scope string) string {
	if scope != "" || id.Selection.IsZero() {
		return id.Name
	}
	return id.Name + "," + id.Selection.String()
}

// checkSelected refuses a user name that is the user's own if the client may have
// selected a project at first. The name of a scoped user JWT has no selection (JWTName),
// so after a reload of nats-server project=P is lost. For a service_admin that has a
// scope in some accounts only, the first selection is unknown.
func (p *Policy) checkSelected(id *identity.Identity, scope string, f *directory.Facts) error {
	admin := f.HasServiceRole(directory.ServiceRoleAdmin)
	maybeLost := scope != "" || admin && slices.ContainsFunc(p.Scoped, func(r ScopedRole) bool { return r.Role == string(directory.ServiceRoleAdmin) })
	if !maybeLost || !id.Selection.OwnName || len(f.Memberships) < 2 && !admin {
		return nil
	}
	return fmt.Errorf("%w: with several projects and a scoped signing key, the user name must select a project, or be another name than the user's own", ErrAmbiguousScope)
}

// ValidateName checks the name of a user JWT for g: with a scope it must be a single
// token, because a template may insert it. The issuer calls it.
func ValidateName(g *Grant, name string) error {
	if g.Scope == "" {
		return nil
	}
	if err := checkName(g, name); err != nil {
		return fmt.Errorf("%w: %w", ErrInvariant, err)
	}
	return nil
}

// validateScoped checks that a grant with a scope has no permissions or limits, because
// the server accepts none beside the template.
func validateScoped(g *Grant) error {
	if len(g.Rules) > 0 || len(g.ConnectionTypes) > 0 || len(g.Networks) > 0 {
		return fmt.Errorf("%w: a grant with scope %q has permissions or limits of its own", ErrInvariant, g.Scope)
	}
	if err := checkTags(g); err != nil {
		return fmt.Errorf("%w: %w", ErrInvariant, err)
	}
	return nil
}
