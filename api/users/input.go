package users

import (
	"errors"
	"slices"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
)

// checkUser checks what does not depend on the directory.
func checkUser(r *rest.Request, in *wire.UserInput) error {
	for _, role := range in.ServiceRoles {
		if !slices.Contains(directory.ServiceRoles(), directory.ServiceRole(role)) {
			return apierror.InvalidRole(role, directory.ServiceRoles())
		}
	}
	for _, t := range in.ConnectionTypes {
		if !slices.Contains(directory.ConnectionTypes(), directory.ConnectionType(t)) {
			return apierror.Invalid("there is no connection type %s", apierror.SafeName(t)).
				WithDetails(apierror.OneOf(directory.ConnectionTypes()))
		}
	}
	if repeated, ok := rest.Repeated(in.ConnectionTypes); ok {
		return apierror.Invalid("connection type %s is repeated", repeated)
	}
	if repeated, ok := rest.Repeated(in.ServiceRoles); ok {
		return apierror.Invalid("service role %s is repeated", repeated)
	}
	if err := rest.CheckTexts(in.FirstName, in.LastName, in.Organization, in.Description, in.Email); err != nil {
		return r.InvalidBody(err)
	}
	seen := map[string]bool{}
	for _, p := range in.Projects {
		if seen[p.Project] {
			return apierror.InvalidProject(p.Project, "the project is repeated")
		}
		seen[p.Project] = true
		if err := checkRoles(p.Roles); err != nil {
			return err
		}
	}
	return nil
}

// checkRoles accepts roles of projects only, and requires at least one.
func checkRoles(roles []string) error {
	for _, role := range roles {
		if !slices.Contains(directory.Roles(), directory.Role(role)) {
			return apierror.InvalidRole(role, directory.Roles())
		}
	}
	if len(roles) == 0 {
		return apierror.Invalid("a member needs a role")
	}
	if repeated, ok := rest.Repeated(roles); ok {
		return apierror.Invalid("role %s is repeated", repeated)
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

// apply sets in a user what the request sets.
func apply(u *directory.User, in *wire.UserInput) {
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
	rest.Set(&p.FirstName, in.FirstName)
	rest.Set(&p.LastName, in.LastName)
	rest.Set(&p.Organization, in.Organization)
	rest.Set(&p.Description, in.Description)
	rest.Set(&p.Email, in.Email)
	if u.Profile = nil; p != (directory.Profile{}) {
		u.Profile = &p
	}
}

var errOneProject = errors.New("projects: expected one, the project in the path")
