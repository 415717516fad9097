package api

import (
	"slices"

	"usher/directory"
	"usher/directory/snapshot"
)

func hasAdmin(u *directory.User) bool {
	return slices.Contains(u.ServiceRoles, directory.ServiceRoleAdmin)
}

// keepsAnAdmin refuses a change after which no service_admin could get in any more:
// nobody could undo it over this API.
func (c *call) keepsAnAdmin(s *snapshot.Snapshot, entries []directory.Entry) error {
	if !s.LocksOut(entries, c.at) {
		return nil
	}
	f := conflict("Nobody else could get in as service_admin with a key that does not expire")
	f.details = []string{"make another service_admin first, or another key of this one that neither expires nor is bound to networks"}
	return f
}
