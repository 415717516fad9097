package directory

// Held counts what a snapshot keeps, shown or not.
type Held struct{ Users, Places, Names, Digests, Projects, Called, Accounts, Waiting int }

// Held counts what the snapshot keeps.
func (s *Snapshot) Held() Held {
	h := Held{
		Users: s.ids.size, Names: s.names.size, Digests: s.digests.size, Projects: s.projects.size, Called: s.called.size,
		Accounts: len(s.accounts), Waiting: len(s.waiting),
	}
	for e := range s.ids.all() {
		h.Places += len(e.places)
	}
	return h
}
