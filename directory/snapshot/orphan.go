package snapshot

import (
	"usher/directory"
	"usher/directory/yield"
)

// Orphans returns the keys of users and projects that are not there, and of which
// something is: a removal of many entries was cut between its parts.
func (s *Snapshot) Orphans() []directory.EntryKey {
	var (
		orphans []directory.EntryKey
		turns   yield.Counter
	)
	for e := range s.ids.All() {
		if turns.Step(); !e.there && s.Orphan(directory.UserKey(e.id)) {
			orphans = append(orphans, directory.UserKey(e.id))
		}
	}
	for p := range s.projects.All() {
		if turns.Step(); !p.there && s.Orphan(directory.ProjectKey(p.id)) {
			orphans = append(orphans, directory.ProjectKey(p.id))
		}
	}
	return orphans
}

// Orphan reports whether Orphans names a user or a project. One that waits for its
// name, or cannot be read, is there.
func (s *Snapshot) Orphan(k directory.EntryKey) bool {
	_, waits := s.waiting[k]
	_, unread := s.unread.revisions[k]
	return !waits && !unread && !s.exists(k) && len(s.belongings(k)) > 0
}

// RemoveOrphan returns the change that removes what is left of a user or a
// project; nil: it is none of the Orphans.
func (s *Snapshot) RemoveOrphan(k directory.EntryKey) []directory.Entry {
	switch {
	case !s.Orphan(k):
		return nil
	case k.Kind == directory.KindUser:
		return s.RemoveUser(k.User)[1:]
	default:
		return s.RemoveProject(k.Project)[1:]
	}
}
