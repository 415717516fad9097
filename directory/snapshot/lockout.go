package snapshot

import (
	"slices"
	"time"
	"usher/directory"
)

// LocksOut reports whether a change would take from the last service_admin who gets
// in the way to do so: nobody could undo it but past all APIs. If somebody can get in
// from anywhere, somebody stays who can. A directory that nobody administers may stay
// so.
func (s *Snapshot) LocksOut(entries []directory.Entry, now time.Time) bool {
	var next *Snapshot // made when it is needed
	for _, anywhere := range []bool{false, true} {
		can := func(s *Snapshot, e *directory.Entry) bool {
			u, ok := s.UserByID(e.Key.User)
			return e.Key.OfUser() && ok && u.Administers(now, anywhere)
		}
		loses := slices.ContainsFunc(entries, func(e directory.Entry) bool {
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
