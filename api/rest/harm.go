package rest

import (
	"usher/api/apierror"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/permissions"
)

// harmsNoUser refuses a change by an administrator of one project that would reduce
// what a user gets outside of that project. The error names the users, who are members
// of the project, but not what else they have.
func (r *Request) harmsNoUser(s *snapshot.Snapshot, entries []directory.Entry) error {
	project := r.vars[VarProject]
	if project == "" || r.IsServiceAdmin() {
		return nil
	}
	harmed := r.Harmed(s, project, entries)
	if len(harmed) == 0 {
		return nil
	}
	return apierror.Conflict("User(s) would be worse off outside of the project").WithDetails(
		apierror.SafeNames(harmed)+": no grant, or one in another account or scope, because of roles elsewhere; or this project would take more than half of a grant, or the part that another project is entitled to",
		"first remove something, use another user for this project, or ask a service_admin, who can see the user's other roles and make the change",
	)
}

// Harmed returns the names of the users that a change of a project would leave worse off
// outside of it.
func (r *Request) Harmed(s *snapshot.Snapshot, project string, entries []directory.Entry) []string {
	p, ok := s.Project(project)
	if !ok {
		return nil
	}
	limit := permissions.MaxAnswer
	if maximum := r.router.cfg.MaxPayload(); maximum > 0 { // 0: not connected to a server yet
		limit = int(min(int64(limit), maximum))
	}
	next, users, _ := s.Apply(entries)
	var names []string
	for _, id := range users {
		u, ok := s.UserByID(id)
		if !ok {
			continue // the change creates this user
		}
		before, _ := s.Facts(u.Name, "")
		after, _ := next.Facts(u.Name, "")
		if r.router.cfg.Policy.Harms(&before, &after, p, limit) {
			names = append(names, u.Name)
		}
	}
	return names
}
