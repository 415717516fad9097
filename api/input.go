package api

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"usher/api/wire"
	"usher/directory"
	"usher/internal/secret"
)

// maxText bounds what is said of a user or a project, in bytes.
const maxText = 4096

var (
	errOtherName = errors.New("name: another one than in the path")
	errReserved  = errors.New("is reserved")
	errText      = errors.New("a text is too long, or looks like a secret")
)

// newName checks the name of something that is to be made, or renamed.
func (c *call) newName(variable, name string) error {
	err := directory.CheckName(name)
	if err == nil && c.holdsKey(name) {
		err = directory.ErrSecret
	}
	if err == nil && variable == varUser && name == wire.ProfileUser {
		err = errReserved
	}
	if err != nil {
		return invalidName(variable, err)
	}
	return nil
}

func (c *call) newUUID() (uuid.UUID, error) { return uuid.NewRandomFromReader(c.cfg.Random) }

// now is when the call came, as the directory keeps times.
func (c *call) now() time.Time { return c.at.UTC() }

// made says of something that this call makes when and by whom.
func (c *call) made() directory.Made {
	return directory.Made{Created: c.now(), Modified: c.now(), By: c.user.ID}
}

// checkUser checks what can be said without the directory.
func (c *call) checkUser(in *wire.UserInput) error {
	for _, role := range in.ServiceRoles {
		if !slices.Contains(directory.ServiceRoles(), directory.ServiceRole(role)) {
			return invalidRole(role, directory.ServiceRoles())
		}
	}
	for _, t := range in.ConnectionTypes {
		if !slices.Contains(directory.ConnectionTypes(), directory.ConnectionType(t)) {
			f := invalid("there is no connection type %s", shownName(t))
			f.details = []string{oneOf(directory.ConnectionTypes())}
			return f
		}
	}
	if twice, ok := repeated(in.ConnectionTypes); ok {
		return invalid("connection type %s stands twice", twice)
	}
	if twice, ok := repeated(in.ServiceRoles); ok {
		return invalid("service role %s stands twice", twice)
	}
	for _, text := range []*string{in.FirstName, in.LastName, in.Organization, in.Description, in.Email} {
		if !sayable(text) {
			return c.arguments(errText)
		}
	}
	seen := map[string]bool{}
	for _, p := range in.Projects {
		if seen[p.Project] {
			return invalid("invalid project: %s", shownName(p.Project))
		}
		seen[p.Project] = true
		if err := checkRoles(p.Roles); err != nil {
			return err
		}
	}
	return nil
}

// sayable reports whether a text may be said of something; nil: nothing is said.
func sayable(text *string) bool {
	return text == nil || len(*text) <= maxText && !secret.Detect(*text)
}

// repeated returns the first value of a list that stands in it before.
func repeated[T comparable](values []T) (first T, ok bool) {
	seen := make(map[T]bool, len(values))
	for _, v := range values {
		if seen[v] {
			return v, true
		}
		seen[v] = true
	}
	return first, false
}

// invalidRole refuses a role, and says which there are.
func invalidRole[T ~string](role string, known []T) *failure {
	f := invalid("invalid role: %s", shownName(role))
	f.details = []string{oneOf(known)}
	return f
}

func oneOf[T ~string](known []T) string { return "one of " + strings.Join(texts(known), ", ") }

// checkRoles takes roles of projects only, and at least one: a member without a
// role is none.
func checkRoles(roles []string) error {
	for _, role := range roles {
		if !slices.Contains(directory.Roles(), directory.Role(role)) {
			return invalidRole(role, directory.Roles())
		}
	}
	if len(roles) == 0 {
		return invalid("a member needs a role")
	}
	if twice, ok := repeated(roles); ok {
		return invalid("role %s stands twice", twice)
	}
	return nil
}

func rolesOf(texts []string) []directory.Role {
	roles := make([]directory.Role, len(texts))
	for i, text := range texts {
		roles[i] = directory.Role(text)
	}
	return roles
}

// fill takes over what the request states.
func fill(u *directory.User, in *wire.UserInput) {
	if in.Enabled != nil {
		u.Disabled = !*in.Enabled
	}
	if in.ServiceRoles != nil {
		u.ServiceRoles = nil
		for _, role := range in.ServiceRoles {
			u.ServiceRoles = append(u.ServiceRoles, directory.ServiceRole(role))
		}
	}
	if in.ConnectionTypes != nil {
		u.Limits.ConnectionTypes = nil
		for _, t := range in.ConnectionTypes {
			u.Limits.ConnectionTypes = append(u.Limits.ConnectionTypes, directory.ConnectionType(t))
		}
	}
	var p directory.Profile
	if u.Profile != nil {
		p = *u.Profile
	}
	set(&p.FirstName, in.FirstName)
	set(&p.LastName, in.LastName)
	set(&p.Organization, in.Organization)
	set(&p.Description, in.Description)
	set(&p.Email, in.Email)
	if u.Profile = nil; p != (directory.Profile{}) {
		u.Profile = &p
	}
}
