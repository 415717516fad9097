package snapshot

import (
	"cmp"
	"maps"
	"slices"
	"usher/directory"

	"usher/internal/secret"
)

// wait keeps an entry until the name or the digest that it asks for is nobody's.
func (d *draft) wait(entry *directory.Entry) {
	if d.s.waiting == nil {
		d.s.waiting = map[directory.EntryKey]directory.Entry{}
	}
	d.s.waiting[entry.Key] = *entry
	if d.refused == nil {
		d.refused = map[directory.EntryKey]bool{}
	}
	d.refused[entry.Key] = true
}

// goesFirst decides between two entries that ask for the same. It is by their
// keys, which do not change: replicas that have heard of them in another order,
// or of the last version of each only, decide alike. A change that is checked
// takes nothing from anybody.
func (d *draft) goesFirst(entry, holder directory.EntryKey) bool {
	return !d.trying && compareKeys(entry, holder) < 0
}

func compareKeys(x, y directory.EntryKey) int {
	return cmp.Or(cmp.Compare(x.Kind, y.Kind), compareIDs(x.Project, y.Project), compareIDs(x.User, y.User), cmp.Compare(x.Name, y.Name))
}

// inOrder returns the entries that wait, those that go first in the beginning.
func (s *Snapshot) inOrder() []directory.Entry {
	return slices.SortedFunc(maps.Values(s.waiting), func(x, y directory.Entry) int { return compareKeys(x.Key, y.Key) })
}

// retry takes the entries over that need not wait any longer, and reports those
// of this draft that do. What waits has nothing that others wait for.
func (d *draft) retry() {
	if d.freed && len(d.s.waiting) > 0 {
		for _, entry := range d.s.inOrder() {
			if !d.free(&entry) {
				continue
			}
			d.apply(&entry)
			if entry.Key.Kind == directory.KindProject {
				d.indirect = append(d.indirect, entry.Key.Project)
			}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(d.refused), compareKeys) {
		entry := d.s.waiting[k]
		d.problems = append(d.problems, d.s.refusal(&entry))
	}
}

// claimName gives a name to a user, unless it is another's who goes first.
func (d *draft) claimName(e *userEntry, name string) bool {
	claim := func() *userEntry {
		return d.s.names.PutIfAbsent(d.e, hashName(name), e, func(x *userEntry) bool { return x.user.Name == name })
	}
	holder := claim()
	if holder == nil {
		return true
	}
	if !d.goesFirst(directory.UserKey(e.id), directory.UserKey(holder.id)) {
		return false
	}
	holder = d.user(holder.id)
	d.s.names.Remove(d.e, hashName(name), func(x *userEntry) bool { return x.id == holder.id })
	u := holder.own()
	loses := *u
	loses.Keys = nil
	d.wait(&directory.Entry{Key: directory.UserKey(holder.id), Revision: u.Revision, Value: &loses})
	holder.there, holder.named, *u = false, false, directory.User{ID: holder.id, Keys: u.Keys}
	claim()
	return true
}

// claimDigest is claimName for a key.
func (d *draft) claimDigest(e *userEntry, k *directory.Key) bool {
	hash := hashDigest(&k.Digest)
	claim := func() *userEntry {
		return d.s.digests.PutIfAbsent(d.e, hash, e, func(x *userEntry) bool { return x.keyOf(&k.Digest) != nil })
	}
	holder := claim()
	if holder == nil {
		return true
	}
	loses := *holder.keyOf(&k.Digest)
	key := directory.KeyKey(holder.id, loses.ID)
	if !d.goesFirst(directory.KeyKey(e.id, k.ID), key) {
		return false
	}
	holder = d.user(holder.id)
	d.s.digests.Remove(d.e, hash, func(x *userEntry) bool { return x.id == holder.id })
	u := holder.own()
	u.Keys = slices.DeleteFunc(u.Keys, func(k directory.Key) bool { return k.ID == loses.ID })
	d.wait(&directory.Entry{Key: key, Revision: loses.Revision, Value: &loses})
	claim()
	return true
}

// claimProject is claimName for a project.
func (d *draft) claimProject(p *projectEntry, name string) bool {
	claim := func() *projectEntry {
		return d.s.called.PutIfAbsent(d.e, hashName(name), p, func(x *projectEntry) bool { return x.project.Name == name })
	}
	holder := claim()
	if holder == nil {
		return true
	}
	if !d.goesFirst(directory.ProjectKey(p.id), directory.ProjectKey(holder.id)) {
		return false
	}
	holder = d.project(holder.id)
	d.s.called.Remove(d.e, hashName(name), func(x *projectEntry) bool { return x.id == holder.id })
	loses := holder.project
	loses.Topics, loses.Subscriptions = nil, nil
	d.wait(&directory.Entry{Key: directory.ProjectKey(holder.id), Revision: loses.Revision, Value: &loses})
	holder.there, holder.named, holder.project = false, false, directory.Project{ID: holder.id}
	d.indirect = append(d.indirect, holder.id)
	claim()
	return true
}

// free reports whether nobody has what an entry waits for.
func (d *draft) free(entry *directory.Entry) bool {
	switch v := entry.Value.(type) {
	case *directory.User:
		return d.s.named(v.Name) == nil
	case *directory.Project:
		return d.s.projectCalled(v.Name) == nil
	case *directory.Key:
		return d.s.digests.Find(hashDigest(&v.Digest), func(e *userEntry) bool { return e.keyOf(&v.Digest) != nil }) == nil
	default:
		return true
	}
}

// refusal says why an entry waits.
func (s *Snapshot) refusal(e *directory.Entry) directory.Problem {
	p := directory.Problem{Path: e.Key.Path(), Hint: "choose another name"}
	switch v := e.Value.(type) {
	case *directory.User:
		p.Message = "user " + secret.Name(v.Name) + " exists already"
	case *directory.Project:
		p.Message = "project " + secret.Name(v.Name) + " exists already"
	case *directory.Key:
		p.Message, p.Hint = "this key is another user's already", "every key belongs to one user: make a new one"
		if u := s.user(e.Key.User); u != nil && u.keyOf(&v.Digest) != nil {
			p.Message = "this key is the user's already, by another name"
		}
	}
	return p
}

// all returns everything that does not fit.
func (d *draft) all() directory.Problems { return slices.Concat(d.problems, d.blocked) }
