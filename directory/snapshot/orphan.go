package snapshot

import (
	"usher/directory"
	"usher/directory/yield"
)

// Orphans returns the keys of users and projects that do not exist although entries
// belong to them: the removal of many entries was interrupted between its parts.
func (s *Snapshot) Orphans() []directory.EntryKey {
	var (
		orphans []directory.EntryKey
		yielder yield.Counter
	)
	for e := range s.usersByID.All() {
		if yielder.Step(); !e.exists && s.isOrphan(directory.UserKey(e.id)) {
			orphans = append(orphans, directory.UserKey(e.id))
		}
	}
	for p := range s.projectsByID.All() {
		if yielder.Step(); !p.exists && s.isOrphan(directory.ProjectKey(p.id)) {
			orphans = append(orphans, directory.ProjectKey(p.id))
		}
	}
	return orphans
}

// isOrphan reports whether a user or project does not exist although entries belong to
// it. One whose own entry is conflicting or unreadable exists.
func (s *Snapshot) isOrphan(k directory.EntryKey) bool {
	_, conflicting := s.conflicting[k]
	_, unreadable := s.unreadable.revisions[k]
	return !conflicting && !unreadable && !s.exists(k) && len(s.dependents(k)) > 0
}

// RemoveOrphan returns the change that removes the entries of a user or project that
// Orphans has returned; nil: it is not orphaned any more.
func (s *Snapshot) RemoveOrphan(k directory.EntryKey) []directory.Entry {
	switch {
	case !s.isOrphan(k):
		return nil
	case k.Kind == directory.KindUser:
		return s.RemoveUser(k.User)[1:]
	default:
		return s.RemoveProject(k.Project)[1:]
	}
}
