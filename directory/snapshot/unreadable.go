package snapshot

import (
	"maps"
	"usher/directory"

	"github.com/google/uuid"
)

// unreadable are the entries that cannot be read. There are few, or none.
type unreadable struct {
	revisions map[directory.EntryKey]uint64
	count     map[directory.Kind]int
	projects  map[uuid.UUID]int // of what is in them, and of themselves
	members   map[uuid.UUID]int // memberships, by user
}

// add counts an entry n times.
func (u *unreadable) add(k directory.EntryKey, n int) {
	u.count[k.Kind] += n
	switch {
	case k.Kind == directory.KindMember:
		u.members[k.User] += n
	case !k.OfUser():
		u.projects[k.Project] += n
	}
}

// note keeps in mind whether an entry can be read.
func (d *draft) note(e *directory.Entry) {
	_, bad := e.Value.(*directory.Unreadable)
	_, was := d.s.unread.revisions[e.Key]
	if !bad && !was {
		return
	}
	u := &d.s.unread
	if !d.ownsUnread {
		u.revisions, u.count, d.ownsUnread = maps.Clone(u.revisions), maps.Clone(u.count), true
		u.projects, u.members = maps.Clone(u.projects), maps.Clone(u.members)
		if u.revisions == nil {
			u.revisions, u.count = map[directory.EntryKey]uint64{}, map[directory.Kind]int{}
			u.projects, u.members = map[uuid.UUID]int{}, map[uuid.UUID]int{}
		}
	}
	switch {
	case !bad:
		delete(u.revisions, e.Key)
		u.add(e.Key, -1)
	case !was:
		u.add(e.Key, 1)
		fallthrough
	default:
		u.revisions[e.Key] = e.Revision
	}
}

// Obscures reports whether an entry of a kind cannot be read. Users and projects
// get no name then: it may be that one's.
func (s *Snapshot) Obscures(k directory.Kind) bool { return s.unread.count[k] > 0 }

// obscured reports the users and projects that a change gives a name to while
// another of their kind cannot be read: it may be that one's name. What could not
// be read before is mended.
func (s *Snapshot) obscured(entries []directory.Entry, before *Snapshot) directory.Problems {
	var problems directory.Problems
	for i := range entries {
		k, same := entries[i].Key, false
		switch v := entries[i].Value.(type) {
		case *directory.User:
			u, ok := before.UserByID(k.User)
			same = ok && u.Name == v.Name
		case *directory.Project:
			p, ok := before.ProjectByID(k.Project)
			same = ok && p.Name == v.Name
		default:
			continue
		}
		if _, mended := before.unread.revisions[k]; same || mended || s.unread.count[k.Kind] == 0 {
			continue
		}
		problems = append(problems, directory.Problem{
			Path: k.Path(), Message: "the entry of another " + string(k.Kind) + " cannot be read, and may have this name",
			Hint: "usher check says which entry it is: mend it, remove it, or update usher",
		})
	}
	return problems
}

// Undecided reports whether a key that LookupKey leads to nobody may be
// somebody's: the key is there and its user is not, or cannot be read; or there
// is a key that cannot be read, which might be this one.
func (s *Snapshot) Undecided(d directory.Digest) bool {
	if s.unread.count[directory.KindKey] > 0 {
		return true
	}
	return s.digests.Find(hashDigest(&d), func(e *userEntry) bool { return e.keyOf(&d) != nil }) != nil
}

// obscure reports whether an entry that cannot be read may say something else
// about what a user has in the project that it selects, or in any if it selects
// none: a membership of the user, or something in a project where it is a member.
func (s *Snapshot) obscure(e *userEntry, selected *directory.Project) bool {
	u := &s.unread
	if len(u.revisions) == 0 {
		return false
	}
	if selected != nil {
		_, member := u.revisions[directory.MemberKey(selected.ID, e.id)]
		return member || u.projects[selected.ID] > 0 && e.isMember(selected.ID)
	}
	if u.members[e.id] > 0 {
		return true
	}
	for i := range e.places {
		if in := &e.places[i]; in.roles != nil && u.projects[in.project] > 0 {
			return true
		}
	}
	return false
}
