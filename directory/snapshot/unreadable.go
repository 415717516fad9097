package snapshot

import (
	"maps"

	"github.com/google/uuid"

	"usher/directory"
)

// unreadable are the unreadable entries. There are few, or none.
type unreadable struct {
	revisions map[directory.EntryKey]uint64
	count     map[directory.Kind]int
	projects  map[uuid.UUID]int // number of entries by project, without memberships
	members   map[uuid.UUID]int // number of memberships by user
}

// add counts an entry n times.
func (u *unreadable) add(k directory.EntryKey, n int) {
	u.count[k.Kind] += n
	switch {
	case k.Kind == directory.KindMember:
		u.members[k.User] += n
	case k.OfProject():
		u.projects[k.Project] += n
	}
}

// trackUnreadable records whether an entry is unreadable.
func (d *draft) trackUnreadable(e *directory.Entry) {
	_, isUnreadable := e.Value.(*directory.Unreadable)
	_, was := d.next.unreadable.revisions[e.Key]
	if !isUnreadable && !was {
		return
	}
	u := &d.next.unreadable
	if !d.ownsUnreadable {
		u.revisions, u.count, d.ownsUnreadable = maps.Clone(u.revisions), maps.Clone(u.count), true
		u.projects, u.members = maps.Clone(u.projects), maps.Clone(u.members)
		if u.revisions == nil {
			u.revisions, u.count = map[directory.EntryKey]uint64{}, map[directory.Kind]int{}
			u.projects, u.members = map[uuid.UUID]int{}, map[uuid.UUID]int{}
		}
	}
	switch {
	case !isUnreadable:
		delete(u.revisions, e.Key)
		u.add(e.Key, -1)
	case !was:
		u.add(e.Key, 1)
		fallthrough
	default:
		u.revisions[e.Key] = e.Revision
	}
}

// HasUnreadable reports whether an entry of this kind is unreadable. No user or project
// can get a new name then: the unreadable entry may have that name.
func (s *Snapshot) HasUnreadable(k directory.Kind) bool { return s.unreadable.count[k] > 0 }

// Unreadable reports whether this entry is unreadable.
func (s *Snapshot) Unreadable(k directory.EntryKey) bool {
	_, ok := s.unreadable.revisions[k]
	return ok
}

// checkUnreadableNames reports users and projects to which a change gives a name while
// another entry of their kind is unreadable: that may have the name. An entry that was
// unreadable itself may be replaced.
func (s *Snapshot) checkUnreadableNames(entries []directory.Entry, before *Snapshot) directory.Problems {
	var problems directory.Problems
	for i := range entries {
		k, sameName := entries[i].Key, false
		switch v := entries[i].Value.(type) {
		case *directory.User:
			u, ok := before.UserByID(k.User)
			sameName = ok && u.Name == v.Name
		case *directory.Project:
			p, ok := before.ProjectByID(k.Project)
			sameName = ok && p.Name == v.Name
		default:
			continue
		}
		if _, wasUnreadable := before.unreadable.revisions[k]; sameName || wasUnreadable || !s.HasUnreadable(k.Kind) {
			continue
		}
		problems = append(problems, directory.Problem{
			Path: k.Path(), Message: "the entry of another " + string(k.Kind) + " is unreadable, and may have this name",
			Hint: "usher check shows the entry: repair it, remove it, or update usher",
		})
	}
	return problems
}

// Undecided reports whether a digest that LookupKey does not find may still be the digest
// of a key: its key exists, but its user does not or is unreadable; or there is an
// unreadable key.
func (s *Snapshot) Undecided(d directory.Digest) bool {
	return s.HasUnreadable(directory.KindKey) || s.keyHolder(&d) != nil
}

// UnreadableIn reports whether an entry of a project, other than a membership, is
// unreadable.
func (s *Snapshot) UnreadableIn(p *directory.Project) bool { return s.unreadable.projects[p.ID] > 0 }

// undecided reports whether an unreadable entry could change what a user has in the
// selected project, or in any project if selected is nil: it is a membership of the user,
// or belongs to a project in which the user is a member.
func (s *Snapshot) undecided(e *userEntry, selected *directory.Project) bool {
	u := &s.unreadable
	if len(u.revisions) == 0 {
		return false
	}
	if selected != nil {
		_, membership := u.revisions[directory.MemberKey(selected.ID, e.id)]
		return membership || u.projects[selected.ID] > 0 && e.isMember(selected.ID)
	}
	if u.members[e.id] > 0 {
		return true
	}
	for i := range e.access {
		if a := &e.access[i]; a.roles != nil && u.projects[a.project] > 0 {
			return true
		}
	}
	return false
}
