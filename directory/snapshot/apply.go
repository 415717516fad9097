package snapshot

import (
	"github.com/google/uuid"

	"usher/directory"
)

// Apply returns the snapshot with entries applied, whatever their content: it is for
// stores that follow a bucket. Entries that contradict others grant nothing, and are
// reported as problems. users are those whose grant may have changed.
func (s *Snapshot) Apply(entries []directory.Entry) (next *Snapshot, users []uuid.UUID, problems directory.Problems) {
	d := newDraft(s)
	for i := range entries {
		d.apply(&entries[i])
	}
	next = d.commit()
	return next, d.affectedUsers(entries), d.allProblems()
}

// affectedUsers lists the users whose grant may have changed.
func (d *draft) affectedUsers(entries []directory.Entry) []uuid.UUID {
	users := make([]uuid.UUID, 0, len(d.users))
	seen := make(map[uuid.UUID]bool, len(d.users))
	add := func(id uuid.UUID) {
		if !seen[id] {
			seen[id] = true
			users = append(users, id)
		}
	}
	for _, e := range d.users {
		add(e.id)
	}
	for _, id := range d.banned {
		if id != uuid.Nil {
			add(id)
		}
	}
	projects := d.affectedProjects
	for i := range entries { // a project that moves, is removed, or has other topics affects its members
		k := entries[i].Key
		_, unreadable := entries[i].Value.(*directory.Unreadable) // what else may be unreadable concerns all members
		if k.Kind == directory.KindProject || k.Kind == directory.KindTopic || k.Kind == directory.KindSubscription || unreadable && k.Project != uuid.Nil {
			projects = append(projects, k.Project)
		}
	}
	done := make(map[uuid.UUID]bool, len(projects))
	for _, id := range projects {
		if p := d.next.project(id); p != nil && !done[id] {
			done[id] = true
			for _, id := range p.members {
				add(id)
			}
		}
	}
	return users
}
