package directory

import "maps"

// Unreadable is the value of an entry that is there, and of which nobody knows
// what it says: it is damaged, or was written by a newer usher. Whoever keeps
// entries takes it over like any other. It gives nobody anything, and a request
// that it could decide is not decided (Undecided).
type Unreadable struct{}

func (*Unreadable) isValue() {}

// unreadable are the entries that cannot be read. There are few, or none.
type unreadable struct {
	revisions map[EntryKey]uint64
	count     map[Kind]int
}

// note keeps in mind whether an entry can be read.
func (d *draft) note(e *Entry) {
	_, bad := e.Value.(*Unreadable)
	_, was := d.s.unread.revisions[e.Key]
	if !bad && !was {
		return
	}
	u := &d.s.unread
	if !d.ownsUnread {
		u.revisions, u.count, d.ownsUnread = maps.Clone(u.revisions), maps.Clone(u.count), true
		if u.revisions == nil {
			u.revisions, u.count = map[EntryKey]uint64{}, map[Kind]int{}
		}
	}
	switch {
	case !bad:
		delete(u.revisions, e.Key)
		u.count[e.Key.Kind]--
	case !was:
		u.count[e.Key.Kind]++
		fallthrough
	default:
		u.revisions[e.Key] = e.Revision
	}
}

// Obscures reports whether an entry of a kind cannot be read. Users and projects
// get no name then: it may be that one's.
func (s *Snapshot) Obscures(k Kind) bool { return s.unread.count[k] > 0 }

// obscured reports the users and projects that a change gives a name to while
// another of their kind cannot be read: it may be that one's name. What could not
// be read before is mended.
func (s *Snapshot) obscured(entries []Entry, before *Snapshot) Problems {
	var problems Problems
	for i := range entries {
		k, same := entries[i].Key, false
		switch v := entries[i].Value.(type) {
		case *User:
			u, ok := before.UserByID(k.User)
			same = ok && u.Name == v.Name
		case *Project:
			p, ok := before.ProjectByID(k.Project)
			same = ok && p.Name == v.Name
		default:
			continue
		}
		if _, mended := before.unread.revisions[k]; same || mended || s.unread.count[k.Kind] == 0 {
			continue
		}
		problems = append(problems, Problem{
			Path: k.path(), Message: "the entry of another " + string(k.Kind) + " cannot be read, and may have this name",
			Hint: "usher check says which entry it is: mend it, remove it, or update usher",
		})
	}
	return problems
}

// Undecided reports whether a key that LookupKey leads to nobody may be
// somebody's: the key is there and its user is not, or cannot be read; or there
// is a key that cannot be read, which might be this one.
func (s *Snapshot) Undecided(d Digest) bool {
	if s.unread.count[KindKey] > 0 {
		return true
	}
	return s.digests.find(hashDigest(&d), func(e *userEntry) bool { return e.keyOf(&d) != nil }) != nil
}
