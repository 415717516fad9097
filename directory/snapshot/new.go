package snapshot

import (
	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/validation"
)

// New checks and indexes records. The error is directory.Problems, with every fault.
// The records belong to the snapshot from then on.
func New(r directory.Records) (*Snapshot, error) {
	r.AssignIDs()
	members, problems := validation.Check(&r, nil)
	if len(problems) > 0 {
		return nil, problems
	}
	d := newFullDraft()
	users := d.addUsers(r.Users)
	for i := range r.Projects {
		r.Projects[i].Entries(d.idsIn(members[i], users), d.applyValue)
		r.Projects[i], members[i] = directory.Project{}, nil // a large directory needs the memory
	}
	for i := range r.Bans {
		d.applyValue(directory.BanKey(r.Bans[i].ID), &r.Bans[i])
	}
	s := d.commit()
	if problems := d.allProblems(); len(problems) > 0 {
		return nil, problems
	}
	return s, nil
}

// idsIn returns a function that finds the ids of the members of a project by name. It
// puts the members into the cache of recent users, because their entries come next.
func (d *draft) idsIn(m *validation.Members, users []userEntry) func(member string) (uuid.UUID, bool) {
	for _, n := range m.Users() {
		e := &users[n]
		d.recent.add(hashID(&e.id), e)
	}
	return func(member string) (uuid.UUID, bool) {
		n, ok := m.User(member)
		if !ok {
			return uuid.Nil, false
		}
		return users[n].id, true
	}
}
