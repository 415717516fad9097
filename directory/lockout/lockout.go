// Package lockout finds changes of a directory after which nobody could manage it.
//
// It promises to look at keys, roles and bans as the management API does. It never makes or
// refuses a change.
package lockout

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// By reports whether a change of s would leave no service_admin who can connect, while
// there is one now. Nobody could undo such a change through the API. If a service_admin
// can connect from any network now, one has to remain who can. A directory that has no
// service_admin may stay without one.
func By(s *snapshot.Snapshot, entries []directory.Entry, now time.Time) bool {
	var next *snapshot.Snapshot // computed when it is needed
	for _, anywhere := range []bool{false, true} {
		removesAdmin := slices.ContainsFunc(entries, func(e directory.Entry) bool {
			user := userOf(s, &e)
			if !administers(s, user, now, anywhere) {
				return false
			}
			if next == nil {
				next, _ = s.Preview(entries)
			}
			return !administers(next, user, now, anywhere)
		})
		if removesAdmin && !hasAdmin(next, now, anywhere) {
			return true
		}
	}
	return false
}

// userOf returns the user whose right to administer an entry can take; Nil: none.
func userOf(s *snapshot.Snapshot, e *directory.Entry) uuid.UUID {
	if b, ok := e.Value.(*directory.Ban); ok {
		return s.Concerned(&b.Target)
	}
	if !e.Key.OfUser() {
		return uuid.Nil
	}
	return e.Key.User
}

func hasAdmin(s *snapshot.Snapshot, now time.Time, anywhere bool) bool {
	for u := range s.Users() {
		if isAdmin(s, u, now, anywhere) {
			return true
		}
	}
	return false
}

func administers(s *snapshot.Snapshot, user uuid.UUID, now time.Time, anywhere bool) bool {
	u, ok := s.UserByID(user)
	return ok && isAdmin(s, u, now, anywhere)
}

// isAdmin is User.Administers with the bans of the directory. Those of networks do not hold
// for the API.
func isAdmin(s *snapshot.Snapshot, u *directory.User, now time.Time, anywhere bool) bool {
	return u.AdministersWith(now, anywhere, func(k *directory.Key) bool { return s.Bans().OfKey(u.ID, k, now) == nil })
}
