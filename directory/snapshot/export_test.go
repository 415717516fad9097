package snapshot

// Held counts what a snapshot keeps, shown or not.
type Held struct{ Users, Places, Names, Digests, Projects, Called, Accounts, Waiting int }

// Held counts what the snapshot keeps.
func (s *Snapshot) Held() Held {
	h := Held{
		Users: s.ids.Len(), Names: s.names.Len(), Digests: s.digests.Len(), Projects: s.projects.Len(), Called: s.called.Len(),
		Accounts: len(s.accounts), Waiting: len(s.waiting),
	}
	for e := range s.ids.All() {
		h.Places += len(e.places)
	}
	return h
}
