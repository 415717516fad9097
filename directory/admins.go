package directory

import (
	"slices"
	"time"
)

// Administers reports whether a user is a service_admin that gets in at now with one
// of its keys, of which no end is known already. With anywhere only keys count that
// may be used from any network: whoever asks cannot know whether anybody is in the
// networks of another one.
func (u *User) Administers(now time.Time, anywhere bool) bool {
	return !u.Disabled && slices.Contains(u.ServiceRoles, ServiceRoleAdmin) && slices.ContainsFunc(u.Keys, func(k Key) bool {
		return !k.Disabled && !k.NotBefore.After(now) && k.Expires.IsZero() && (!anywhere || len(k.Networks) == 0)
	})
}

// LocksOut reports whether a change would take from the last service_admin who gets
// in the way to do so: nobody could undo it but past all APIs. If somebody can get in
// from anywhere, somebody stays who can. A directory that nobody administers may stay
// so.
func (s *Snapshot) LocksOut(entries []Entry, now time.Time) bool {
	var next *Snapshot // made when it is needed
	for _, anywhere := range []bool{false, true} {
		can := func(s *Snapshot, e *Entry) bool {
			u, ok := s.UserByID(e.Key.User)
			return e.Key.ofUser() && ok && u.Administers(now, anywhere)
		}
		loses := slices.ContainsFunc(entries, func(e Entry) bool {
			if !can(s, &e) {
				return false
			}
			if next == nil {
				next, _ = s.Foresee(entries)
			}
			return !can(next, &e)
		})
		if loses && !next.administered(now, anywhere) {
			return true
		}
	}
	return false
}

// administered reports whether anybody administers the directory.
func (s *Snapshot) administered(now time.Time, anywhere bool) bool {
	for u := range s.Users() {
		if u.Administers(now, anywhere) {
			return true
		}
	}
	return false
}
