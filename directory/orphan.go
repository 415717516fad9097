package directory

// Orphans returns the keys of users and projects that are not there, and of which
// something is: a removal of many entries was cut between its parts.
func (s *Snapshot) Orphans() []EntryKey {
	var (
		orphans []EntryKey
		turns   turns
	)
	for e := range s.ids.all() {
		if turns.step(); !e.there && s.Orphan(UserKey(e.id)) {
			orphans = append(orphans, UserKey(e.id))
		}
	}
	for p := range s.projects.all() {
		if turns.step(); !p.there && s.Orphan(ProjectKey(p.id)) {
			orphans = append(orphans, ProjectKey(p.id))
		}
	}
	return orphans
}

// Orphan reports whether Orphans names a user or a project. One that waits for its
// name, or cannot be read, is there.
func (s *Snapshot) Orphan(k EntryKey) bool {
	_, waits := s.waiting[k]
	_, unread := s.unread.revisions[k]
	return !waits && !unread && !s.exists(k) && len(s.belongings(k)) > 0
}

// RemoveOrphan returns the change that removes what is left of a user or a
// project; nil: it is none of the Orphans.
func (s *Snapshot) RemoveOrphan(k EntryKey) []Entry {
	switch {
	case !s.Orphan(k):
		return nil
	case k.Kind == KindUser:
		return s.RemoveUser(k.User)[1:]
	default:
		return s.RemoveProject(k.Project)[1:]
	}
}
