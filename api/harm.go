package api

import (
	"usher/directory"
	"usher/directory/snapshot"
	"usher/permissions"
)

// harmsNobody refuses a change of who administers one project and no more, after
// which a user would be worse off where it is not only about that project. Members
// are named, whom the author knows; what else they have is not told.
func (c *call) harmsNobody(s *snapshot.Snapshot, entries []directory.Entry) error {
	project := c.vars[varProject]
	if project == "" || c.isServiceAdmin() {
		return nil
	}
	harmed := c.harmed(s, project, entries)
	if len(harmed) == 0 {
		return nil
	}
	f := conflict("User(s) would be worse off outside of the project")
	f.details = []string{
		shownNames(harmed) + ": without a grant, or with one in another account or scope, because of what they have elsewhere; or one project would take more than half of what a grant may hold, or the part of another project",
		"take something away first, use another user for this project, or ask a service_admin, who can see what else it has and make the change",
	}
	return f
}

// harmed returns the names of the users that a change of a project would leave worse
// than before outside of it.
func (c *call) harmed(s *snapshot.Snapshot, project string, entries []directory.Entry) []string {
	p, ok := s.Project(project)
	if !ok {
		return nil
	}
	limit := permissions.MaxAnswer
	if most := c.cfg.MaxPayload(); most > 0 { // it is known once there is a connection
		limit = int(min(int64(limit), most))
	}
	next, users, _ := s.Apply(entries)
	var names []string
	for _, id := range users {
		u, ok := s.UserByID(id)
		if !ok {
			continue // it is made by this
		}
		before, _ := s.Facts(u.Name, "")
		after, _ := next.Facts(u.Name, "")
		if c.cfg.Policy.Harms(&before, &after, p, limit) {
			names = append(names, u.Name)
		}
	}
	return names
}
