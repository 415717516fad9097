package snapshot

import (
	"slices"

	"github.com/google/uuid"

	"usher/directory"
)

// commit turns the draft into a snapshot. The draft must not be used afterwards.
func (d *draft) commit() *Snapshot {
	d.resolveConflicts()
	d.updateProjects(d.projects)
	d.updateProjects(d.projectsInChangedAccounts())
	for _, p := range d.projects {
		d.assignSubjects(p)
		d.updateAccess(p)
	}
	for _, p := range d.projects {
		p.before = nil
		if p.isEmpty() {
			d.next.projectsByID.Remove(d.owner, hashID(&p.id), func(x *projectEntry) bool { return x.id == p.id })
		}
	}
	for _, e := range d.users {
		d.yielder.Step()
		if !e.exists && len(e.user.Keys) == 0 && len(e.access) == 0 {
			d.next.usersByID.Remove(d.owner, hashID(&e.id), func(x *userEntry) bool { return x.id == e.id })
			continue
		}
		d.countUser(e, 1)
	}
	return d.next
}

// addProjects adds projects to the draft because others have changed. It returns those
// that were not in the draft.
func (d *draft) addProjects(ids []uuid.UUID) []*projectEntry {
	n := len(d.projects)
	for _, id := range ids {
		if d.next.project(id) != nil {
			d.project(id)
		}
	}
	return d.projects[n:]
}

// updateProjects updates what follows from the entries of each project alone: its
// members, subjects and revisions. It also counts the projects in their accounts.
func (d *draft) updateProjects(projects []*projectEntry) {
	for _, p := range projects {
		d.updateMembers(p)
		for _, t := range p.topics {
			subject := t.statedSubject
			if subject == "" {
				subject = p.project.Name + "." + t.name
			}
			if t.exists && (t.view.Subject != subject || t.view.ACLRevision != t.aclRevision) {
				t = mutable(d.owner, &p.topics, t.name)
				t.view.Subject, t.view.ACLRevision = subject, t.aclRevision
			}
		}
		for _, s := range p.subs {
			if s.exists && s.view.ACLRevision != s.aclRevision {
				s = mutable(d.owner, &p.subs, s.name)
				s.view.ACLRevision = s.aclRevision
			}
		}
		if p.before != nil {
			d.countInAccount(p.before, -1)
		}
		d.countInAccount(p, 1)
	}
}

// maxInsertedMembers is the number of new members up to which inserting each of them is
// faster than sorting all.
const maxInsertedMembers = 16

func (d *draft) updateMembers(p *projectEntry) {
	if len(p.joined) > maxInsertedMembers {
		p.members = append(p.members, p.joined...)
		slices.SortFunc(p.members, compareIDs)
		p.members = slices.Compact(p.members)
	} else {
		for _, id := range p.joined {
			if i, ok := slices.BinarySearchFunc(p.members, id, compareIDs); !ok {
				p.members = slices.Insert(p.members, i, id)
			}
		}
	}
	left := make(map[uuid.UUID]bool, len(p.left))
	for _, id := range p.left { // a member that left may have joined again
		e := d.next.user(id)
		left[id] = e == nil || !e.isMember(p.id)
	}
	if len(left) > 0 {
		p.members = slices.DeleteFunc(p.members, func(id uuid.UUID) bool { return left[id] })
	}
	p.joined, p.left = nil, nil
}

// countProject adds a project n times to the size of the snapshot.
func (d *draft) countProject(p *projectEntry, n int) {
	if p.hasName {
		d.next.size.Projects += n
		d.next.size.Topics += n * len(p.project.Topics)
		d.next.size.Subscriptions += n * len(p.project.Subscriptions)
	}
}

// allProblems returns the faults of the entries.
func (d *draft) allProblems() directory.Problems { return slices.Concat(d.problems, d.blocked) }
