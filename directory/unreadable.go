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
	keys      int // how many of them are API keys
}

func (u *unreadable) with(k EntryKey, revision uint64) unreadable {
	next := u.without(k)
	if next.revisions == nil {
		next.revisions = map[EntryKey]uint64{}
	}
	next.revisions[k] = revision
	if k.Kind == KindKey {
		next.keys++
	}
	return next
}

func (u *unreadable) without(k EntryKey) unreadable {
	next := unreadable{revisions: maps.Clone(u.revisions), keys: u.keys}
	if _, ok := next.revisions[k]; ok && k.Kind == KindKey {
		next.keys--
	}
	delete(next.revisions, k)
	return next
}

// note keeps in mind whether an entry can be read.
func (d *draft) note(e *Entry) {
	_, bad := e.Value.(*Unreadable)
	_, was := d.s.unread.revisions[e.Key]
	switch {
	case bad:
		d.s.unread = d.s.unread.with(e.Key, e.Revision)
	case was:
		d.s.unread = d.s.unread.without(e.Key)
	}
}

// Undecided reports whether a key that LookupKey leads to nobody may be
// somebody's: the key is there and its user is not, or cannot be read; or there
// is a key that cannot be read, which might be this one.
func (s *Snapshot) Undecided(d Digest) bool {
	if s.unread.keys > 0 {
		return true
	}
	return s.digests.find(hashDigest(&d), func(e *userEntry) bool { return e.keyOf(&d) != nil }) != nil
}
