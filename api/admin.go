package api

import (
	"slices"
	"time"

	"usher/directory"
)

func hasAdmin(u *directory.User) bool {
	return slices.Contains(u.ServiceRoles, directory.ServiceRoleAdmin)
}

// getsIn reports whether a user can administer with one of its keys: now, and
// without an end that is already known.
func getsIn(u *directory.User, now time.Time) bool {
	return hasAdmin(u) && !u.Disabled && slices.ContainsFunc(u.Keys, func(k directory.Key) bool {
		return !k.Disabled && !k.NotBefore.After(now) && k.Expires.IsZero()
	})
}

// keepsAnAdmin refuses a change of a user, or its removal (nil), after which no
// service_admin could get in any more: nobody could undo it over this API.
func (c *call) keepsAnAdmin(s *directory.Snapshot, old, changed *directory.User) error {
	if !getsIn(old, c.at) || changed != nil && getsIn(changed, c.at) {
		return nil
	}
	for u := range s.Users() {
		if u.ID != old.ID && getsIn(u, c.at) {
			return nil
		}
	}
	return conflict("Nobody else could get in as service_admin with a key that does not expire")
}
