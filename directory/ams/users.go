package ams

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
	"usher/internal/secret"
)

// tokenLength is the length of an AMS token: a SHA-256 in hex.
const tokenLength = 64

// readUsers reads users*.json.
func (r *reader) readUsers() {
	var all []*user
	var wheres []string
	detailed := false
	items(r, "users", func(where string, u *user) {
		if _, exists := r.users[u.Name]; exists {
			r.problem(where+".name", "", "user %s already exists", secret.Name(u.Name))
			return
		}
		detailed = detailed || u.Projects != nil
		all, wheres = append(all, u), append(wheres, where)
		r.users[u.Name] = r.uuid(where, u)
	})
	if len(all) > 0 && !detailed && len(r.projects) > 0 {
		r.problem("users.json", "fetch /v1/users?details=true", "no user has projects")
		return
	}
	for i, u := range all {
		where := wheres[i]
		r.origins[at("users", i)] = where
		record := directory.User{ID: r.users[u.Name], Name: u.Name, ServiceRoles: r.serviceRoles(where, u), Keys: r.keys(where, u)}
		if record.ID == directory.IDOf(directory.KindUser, u.Name) {
			record.ID = uuid.Nil
		}
		if p := (directory.Profile{FirstName: u.FirstName, LastName: u.LastName, Organization: u.Organization, Description: u.Description, Email: u.Email}); p != (directory.Profile{}) {
			record.Profile = &p
		}
		record.Made = directory.Made{
			Created: r.time(where+".created_on", u.CreatedOn), Modified: r.time(where+".modified_on", u.ModifiedOn), By: r.users[u.CreatedBy],
		}
		r.records.Users = append(r.records.Users, record)
		r.memberships(where, u)
		u.Token = ""
	}
}

// uuid returns the id of a user: that of AMS, or one derived from the name.
func (r *reader) uuid(where string, u *user) uuid.UUID {
	id, err := uuid.Parse(u.UUID)
	if err == nil && id != uuid.Nil {
		return id
	}
	if u.UUID != "" {
		r.note(where+".uuid", "is not a UUID; user %s gets another", secret.Name(u.Name))
	}
	return directory.IDOf(directory.KindUser, u.Name)
}

// keys returns a key with the digest of the token. The token itself is not kept.
func (r *reader) keys(where string, u *user) []directory.Key {
	if u.Token == "" {
		r.note(where, "user %s has no token and gets no key", secret.Name(u.Name))
		return nil
	}
	if len(u.Token) != tokenLength || strings.Trim(u.Token, "0123456789abcdef") != "" {
		r.problem(where+".token", "", "expected 64 lower-case hex digits")
		return nil
	}
	return []directory.Key{{Digest: directory.DigestOf(u.Token)}}
}

// sharedServiceRoles are the service roles that AMS and usher both have. ingest is not one
// of them: AMS does not know it, so that a role of this name there means something else.
var sharedServiceRoles = []directory.ServiceRole{directory.ServiceRoleAdmin, directory.ServiceRolePushWorker, directory.ServiceRoleViewer}

func (r *reader) serviceRoles(where string, u *user) []directory.ServiceRole {
	var roles []directory.ServiceRole
	for i, role := range u.ServiceRoles {
		switch known := directory.ServiceRole(role); {
		case !slices.Contains(sharedServiceRoles, known):
			r.note(at(where+".service_roles", i), "role %s of user %s skipped: usher has no such service role", secret.Name(role), secret.Name(u.Name))
		case !slices.Contains(roles, known):
			roles = append(roles, known)
		}
	}
	return roles
}

// memberships adds the user to the projects in which it has roles that usher knows.
func (r *reader) memberships(where string, u *user) {
	for i := range u.Projects {
		in := &u.Projects[i]
		where := at(where+".projects", i)
		roles := r.roles(where, u, in)
		n, known := r.projects[in.Project]
		switch {
		case !known:
			r.note(where, "membership of user %s skipped: there is no project %s", secret.Name(u.Name), secret.Name(in.Project))
		case r.members[member{in.Project, u.Name}]:
			r.problem(where+".project", "", "user %s is already a member of project %s", secret.Name(u.Name), secret.Name(in.Project))
		case len(roles) == 0:
			r.note(where, "user %s is not a member of project %s: it has no role that usher knows", secret.Name(u.Name), secret.Name(in.Project))
		default:
			p := &r.records.Projects[n]
			r.origins[at("projects", n)+"."+at("members", len(p.Members))] = where
			p.Members = append(p.Members, directory.Member{User: u.Name, Roles: roles})
			r.members[member{in.Project, u.Name}] = true
		}
	}
}

// roles returns the roles in a project that usher knows. AMS has a single namespace of
// roles, so a project_admin could assign any of them.
func (r *reader) roles(where string, u *user, in *projectRoles) []directory.Role {
	var roles []directory.Role
	for i, role := range in.Roles {
		where := at(where+".roles", i)
		switch known := directory.Role(role); {
		case slices.Contains(directory.Roles(), known):
			if !slices.Contains(roles, known) {
				roles = append(roles, known)
			}
		case slices.Contains(sharedServiceRoles, directory.ServiceRole(role)) && slices.Contains(u.ServiceRoles, role):
			r.note(where, "role %s of user %s in project %s skipped: it is also a service role of the user", secret.Name(role), secret.Name(u.Name), secret.Name(in.Project))
		case role == string(directory.ServiceRoleAdmin):
			r.problem(where, "move it to service_roles if it is intended, or remove it",
				"user %s has service role %s in project %s only; any administrator of that project could have assigned it", secret.Name(u.Name), role, secret.Name(in.Project))
		case slices.Contains(sharedServiceRoles, directory.ServiceRole(role)):
			r.note(where, "role %s of user %s in project %s skipped: it is a service role, which the user does not have in service_roles", secret.Name(role), secret.Name(u.Name), secret.Name(in.Project))
		default:
			r.note(where, "role %s of user %s in project %s skipped: usher has no such role", secret.Name(role), secret.Name(u.Name), secret.Name(in.Project))
		}
	}
	return roles
}
