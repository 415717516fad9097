package snapshot

// Stored counts what a snapshot stores, visible or not.
type Stored struct{ UsersByID, UsersByName, UsersByDigest, Access, ProjectsByID, ProjectsByName, Accounts, Conflicting int }

// Stored counts what the snapshot stores.
func (s *Snapshot) Stored() Stored {
	n := Stored{
		UsersByID: s.usersByID.Len(), UsersByName: s.usersByName.Len(), UsersByDigest: s.usersByDigest.Len(),
		ProjectsByID: s.projectsByID.Len(), ProjectsByName: s.projectsByName.Len(),
		Accounts: len(s.accounts), Conflicting: len(s.conflicting),
	}
	for e := range s.usersByID.All() {
		n.Access += len(e.access)
	}
	return n
}
