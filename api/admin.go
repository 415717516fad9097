package api

import (
	"slices"
	"time"

	"usher/directory"
)

func hasAdmin(u *directory.User) bool {
	return slices.Contains(u.ServiceRoles, directory.ServiceRoleAdmin)
}

// access is a way to see whether a user can administer with one of its keys.
type access func(u *directory.User, now time.Time) bool

// getsIn reports whether a user can administer with one of its keys: now, and
// without an end that is already known.
func getsIn(u *directory.User, now time.Time) bool {
	return hasAdmin(u) && !u.Disabled && works(u, now, true)
}

// getsInAnywhere is getsIn with a key that may be used from any network. Whoever
// asks cannot know whether anybody is in the networks of another key.
func getsInAnywhere(u *directory.User, now time.Time) bool {
	return hasAdmin(u) && !u.Disabled && works(u, now, false)
}

func works(u *directory.User, now time.Time, bound bool) bool {
	return slices.ContainsFunc(u.Keys, func(k directory.Key) bool {
		return !k.Disabled && !k.NotBefore.After(now) && k.Expires.IsZero() && (bound || len(k.Networks) == 0)
	})
}

// keepsAnAdmin refuses a change of a user, or its removal (nil), after which no
// service_admin could get in any more: nobody could undo it over this API. If
// somebody can get in from anywhere, somebody stays who can.
func (c *call) keepsAnAdmin(s *directory.Snapshot, old, changed *directory.User) error {
	for _, can := range []access{getsIn, getsInAnywhere} {
		if can(old, c.at) && (changed == nil || !can(changed, c.at)) && !c.another(s, old, can) {
			f := conflict("Nobody else could get in as service_admin with a key that does not expire")
			f.details = []string{"make another service_admin first, or another key of this one that neither expires nor is bound to networks"}
			return f
		}
	}
	return nil
}

func (c *call) another(s *directory.Snapshot, old *directory.User, can access) bool {
	for u := range s.Users() {
		if u.ID != old.ID && can(u, c.at) {
			return true
		}
	}
	return false
}
