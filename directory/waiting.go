package directory

import (
	"cmp"
	"maps"
	"slices"

	"usher/internal/secret"
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

// goesFirst decides between two entries that ask for the same. It is by their
// keys, which do not change: replicas that have heard of them in another order,
// or of the last version of each only, decide alike. A change that is checked
// takes nothing from anybody.
func (d *draft) goesFirst(entry, holder EntryKey) bool {
	return !d.trying && compareKeys(entry, holder) < 0
}

func compareKeys(x, y EntryKey) int {
	return cmp.Or(cmp.Compare(x.Kind, y.Kind), compareIDs(x.Project, y.Project), compareIDs(x.User, y.User), cmp.Compare(x.Name, y.Name))
}

// inOrder returns the entries that wait, those that go first in the beginning.
func (s *Snapshot) inOrder() []Entry {
	return slices.SortedFunc(maps.Values(s.waiting), func(x, y Entry) int { return compareKeys(x.Key, y.Key) })
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
			if entry.Key.Kind == KindProject {
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
		return d.s.names.claim(d.e, hashName(name), e, func(x *userEntry) bool { return x.user.Name == name })
	}
	holder := claim()
	if holder == nil {
		return true
	}
	if !d.goesFirst(UserKey(e.id), UserKey(holder.id)) {
		return false
	}
	holder = d.user(holder.id)
	d.s.names.remove(d.e, hashName(name), func(x *userEntry) bool { return x.id == holder.id })
	u := holder.own()
	loses := *u
	loses.Keys = nil
	d.wait(&Entry{Key: UserKey(holder.id), Revision: u.Revision, Value: &loses})
	holder.there, holder.named, *u = false, false, User{ID: holder.id, Keys: u.Keys}
	claim()
	return true
}

// claimDigest is claimName for a key.
func (d *draft) claimDigest(e *userEntry, k *Key) bool {
	hash := hashDigest(&k.Digest)
	claim := func() *userEntry {
		return d.s.digests.claim(d.e, hash, e, func(x *userEntry) bool { return x.keyOf(&k.Digest) != nil })
	}
	holder := claim()
	if holder == nil {
		return true
	}
	loses := *holder.keyOf(&k.Digest)
	key := KeyKey(holder.id, loses.ID)
	if !d.goesFirst(KeyKey(e.id, k.ID), key) {
		return false
	}
	holder = d.user(holder.id)
	d.s.digests.remove(d.e, hash, func(x *userEntry) bool { return x.id == holder.id })
	u := holder.own()
	u.Keys = slices.DeleteFunc(u.Keys, func(k Key) bool { return k.ID == loses.ID })
	d.wait(&Entry{Key: key, Revision: loses.Revision, Value: &loses})
	claim()
	return true
}

// claimProject is claimName for a project.
func (d *draft) claimProject(p *projectEntry, name string) bool {
	claim := func() *projectEntry {
		return d.s.called.claim(d.e, hashName(name), p, func(x *projectEntry) bool { return x.project.Name == name })
	}
	holder := claim()
	if holder == nil {
		return true
	}
	if !d.goesFirst(ProjectKey(p.id), ProjectKey(holder.id)) {
		return false
	}
	holder = d.project(holder.id)
	d.s.called.remove(d.e, hashName(name), func(x *projectEntry) bool { return x.id == holder.id })
	loses := holder.project
	loses.Topics, loses.Subscriptions = nil, nil
	d.wait(&Entry{Key: ProjectKey(holder.id), Revision: loses.Revision, Value: &loses})
	holder.there, holder.named, holder.project = false, false, Project{ID: holder.id}
	d.indirect = append(d.indirect, holder.id)
	claim()
	return true
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
