package snapshot

import (
	"slices"
	"time"

	"usher/directory"
)

// LocksOut reports whether a change would leave no service_admin who can connect, while
// there is one now. Nobody could undo such a change through the API. If a service_admin
// can connect from any network now, one has to remain who can. A directory that has no
// service_admin may stay without one.
func (s *Snapshot) LocksOut(entries []directory.Entry, now time.Time) bool {
	var next *Snapshot // computed when it is needed
	for _, anywhere := range []bool{false, true} {
		administers := func(s *Snapshot, e *directory.Entry) bool {
			u, ok := s.UserByID(e.Key.User)
			return e.Key.OfUser() && ok && u.Administers(now, anywhere)
		}
		removesAdmin := slices.ContainsFunc(entries, func(e directory.Entry) bool {
			if !administers(s, &e) {
				return false
			}
			if next == nil {
				next, _ = s.Preview(entries)
			}
			return !administers(next, &e)
		})
		if removesAdmin && !next.hasAdmin(now, anywhere) {
			return true
		}
	}
	return false
}

// hasAdmin reports whether a user administers the directory.
func (s *Snapshot) hasAdmin(now time.Time, anywhere bool) bool {
	for u := range s.Users() {
		if u.Administers(now, anywhere) {
			return true
		}
	}
	return false
}
