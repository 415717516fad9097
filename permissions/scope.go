package permissions

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/directory"
	"usher/identity"
)

// Denials of identities whose role is bound to a scoped signing key.
var (
	ErrAmbiguousScope = errors.New("roles with different signing keys")
	ErrNotOneToken    = errors.New("not one subject token")
	ErrScopeLimits    = errors.New("limits of the user cannot be stated beside a scope")
)

// ScopedRole is a role in an account whose permissions are not derived here: the
// template of the account's scoped signing key of that name gives them
// (operator mode).
type ScopedRole struct {
	Account string
	Role    string // project role or service role
}

// scope returns the scope that the roles of all parts are bound to; empty: none
// is bound to one. A user JWT is signed by one key, so they all have to agree.
func (p *Policy) scope(parts []part) (string, error) {
	if len(p.Scoped) == 0 {
		return "", nil
	}
	var scopes []string
	for i := range parts {
		for _, role := range parts[i].roles() {
			if !slices.Contains(p.Scoped, ScopedRole{Account: parts[i].account, Role: role}) {
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

// roles returns the roles of one part.
func (x *part) roles() []string {
	if x.membership == nil {
		return []string{string(x.role)}
	}
	roles := make([]string, 0, len(x.membership.Roles))
	for _, r := range x.membership.Roles {
		roles = append(roles, string(r))
	}
	return roles
}

// scoped makes g a grant of a scope. The server fills name and tags into the
// template, so each of them has to be one token: a user called "*" would get
// everything.
func scoped(g *Grant, scope, name string, limits *directory.Limits) error {
	g.Scope = scope
	if len(limits.ConnectionTypes) > 0 {
		return fmt.Errorf("%w: connection_types, scope %s", ErrScopeLimits, scope)
	}
	if err := checkName(g, name); err != nil {
		return err
	}
	g.Networks = nil // nor could they be stated; the verifier has checked them
	return checkTags(g)
}

func checkName(g *Grant, name string) error {
	if !oneToken(name) {
		return fmt.Errorf("%w: user name %q, scope %s", ErrNotOneToken, name, g.Scope)
	}
	return nil
}

// checkTags holds that what a template takes from a tag is one token.
func checkTags(g *Grant) error {
	for _, tag := range g.Tags {
		if _, value, _ := strings.Cut(tag, ":"); !oneToken(value) {
			return fmt.Errorf("%w: tag %q, scope %s", ErrNotOneToken, tag, g.Scope)
		}
	}
	return nil
}

// oneToken reports whether s is one literal token of a subject, and has nothing
// in it that a template would take for one of its own.
func oneToken(s string) bool { return ValidSubject(s) && !strings.ContainsAny(s, ".*>{}") }

// JWTName returns the name of a user JWT in operator mode. It holds what was selected,
// behind a comma, which no name of a user has: a server that is reloaded asks again about
// its connections, with this name as user name, and what selected a project must not
// come to more by that. The template of a scope takes the name alone.
func JWTName(id identity.Identity, scope string) string {
	if scope != "" || id.Selection.IsZero() {
		return id.Name
	}
	return id.Name + "," + id.Selection.String()
}

// checkSelected refuses a user name that is the user's own where it could have selected
// something else. The name of a scoped user JWT cannot say what was selected (JWTName),
// so at a reload of nats-server this is all that is left of project=P. A service_admin
// has a scope in some accounts and none in others: what it selected is not known then.
func (p *Policy) checkSelected(id *identity.Identity, scope string, f *directory.Facts) error {
	admin := f.HasServiceRole(directory.ServiceRoleAdmin)
	could := scope != "" || admin && slices.ContainsFunc(p.Scoped, func(r ScopedRole) bool { return r.Role == string(directory.ServiceRoleAdmin) })
	if !could || !id.Selection.OwnName || len(f.Memberships) < 2 && !admin {
		return nil
	}
	return fmt.Errorf("%w: the user name is the user's own; with several projects and a scoped signing key it has to select one, or be another name", ErrAmbiguousScope)
}

// ValidateName checks the invariant of the name that a user JWT of g gets, which
// the template of a scope may take. It is called where user JWTs are issued.
func ValidateName(g *Grant, name string) error {
	if g.Scope == "" {
		return nil
	}
	if err := checkName(g, name); err != nil {
		return fmt.Errorf("%w: %w", ErrInvariant, err)
	}
	return nil
}

// validateScoped checks a grant of a scope: usher states nothing, for the server
// takes nothing beside the template.
func validateScoped(g *Grant) error {
	if len(g.Rules) > 0 || len(g.ConnectionTypes) > 0 || len(g.Networks) > 0 {
		return fmt.Errorf("%w: a grant of scope %q states permissions or limits of its own", ErrInvariant, g.Scope)
	}
	if err := checkTags(g); err != nil {
		return fmt.Errorf("%w: %w", ErrInvariant, err)
	}
	return nil
}
