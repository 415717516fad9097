package directory

import (
	"cmp"
	"maps"
	"slices"

	"usher/secret"
)

// wait keeps an entry until the name or the digest that it asks for is nobody's.
func (d *draft) wait(entry *Entry) {
	if d.s.waiting == nil {
		d.s.waiting = map[EntryKey]Entry{}
	}
	d.s.waiting[entry.Key] = *entry
	if d.refused == nil {
		d.refused = map[EntryKey]bool{}
	}
	d.refused[entry.Key] = true
}

// inOrder returns the entries that wait, the oldest first.
func (s *Snapshot) inOrder() []Entry {
	return slices.SortedFunc(maps.Values(s.waiting), func(x, y Entry) int {
		return cmp.Or(cmp.Compare(x.Revision, y.Revision), cmp.Compare(x.Key.String(), y.Key.String()))
	})
}

// retry takes the entries over that need not wait any longer, and reports those
// of this draft that do.
func (d *draft) retry() {
	for again := len(d.s.waiting) > 0; again; {
		again = false
		for _, entry := range d.s.inOrder() {
			if !d.free(&entry) {
				continue
			}
			again = true
			d.apply(&entry)
			if entry.Key.Kind == KindProject {
				d.indirect = append(d.indirect, entry.Key.Project)
			}
		}
	}
	for _, entry := range d.s.inOrder() {
		if d.refused[entry.Key] {
			d.problems = append(d.problems, d.s.refusal(&entry))
		}
	}
}

// free reports whether nobody has what an entry waits for.
func (d *draft) free(entry *Entry) bool {
	switch v := entry.Value.(type) {
	case *User:
		return d.s.named(v.Name) == nil
	case *Project:
		return d.s.projectCalled(v.Name) == nil
	case *Key:
		return d.s.digests.find(hashDigest(&v.Digest), func(e *userEntry) bool { return e.keyOf(&v.Digest) != nil }) == nil
	default:
		return true
	}
}

// refusal says why an entry waits.
func (s *Snapshot) refusal(e *Entry) Problem {
	p := Problem{Path: e.Key.path(), Hint: "choose another name"}
	switch v := e.Value.(type) {
	case *User:
		p.Message = "user " + secret.Name(v.Name) + " exists already"
	case *Project:
		p.Message = "project " + secret.Name(v.Name) + " exists already"
	case *Key:
		p.Message, p.Hint = "this key is another user's already", "every key belongs to one user: make a new one"
		if u := s.user(e.Key.User); u != nil && u.keyOf(&v.Digest) != nil {
			p.Message = "this key is the user's already, by another name"
		}
	}
	return p
}

// all returns everything that does not fit.
func (d *draft) all() Problems { return slices.Concat(d.problems, d.blocked) }

// path is String for messages: what is no name is not shown.
func (k EntryKey) path() string {
	if k.Name != "" && CheckName(k.Name) != nil {
		k.Name = secret.Hidden
	}
	return k.String()
}
