package snapshot

import (
	"cmp"
	"maps"
	"slices"

	"usher/directory"
	"usher/internal/secret"
)

// addConflict keeps an entry until no other entry has its name or digest.
func (d *draft) addConflict(entry *directory.Entry) {
	if d.next.conflicting == nil {
		d.next.conflicting = map[directory.EntryKey]directory.Entry{}
	}
	d.next.conflicting[entry.Key] = *entry
	if d.conflicts == nil {
		d.conflicts = map[directory.EntryKey]bool{}
	}
	d.conflicts[entry.Key] = true
}

// precedes reports whether an entry takes a name or digest from the entry that has it.
// The keys of the entries decide, because they do not change: so replicas decide the
// same, even if they have received the entries in another order, or only the last
// version of each. A dry run takes nothing from other entries.
func (d *draft) precedes(entry, holder directory.EntryKey) bool {
	return !d.dryRun && compareKeys(entry, holder) < 0
}

func compareKeys(x, y directory.EntryKey) int {
	return cmp.Or(cmp.Compare(x.Kind, y.Kind), compareIDs(x.Project, y.Project), compareIDs(x.User, y.User), cmp.Compare(x.Name, y.Name))
}

// conflictsInOrder returns the conflicting entries, sorted by precedence.
func (s *Snapshot) conflictsInOrder() []directory.Entry {
	return slices.SortedFunc(maps.Values(s.conflicting), func(x, y directory.Entry) int { return compareKeys(x.Key, y.Key) })
}

// resolveConflicts applies conflicting entries whose name or digest has become available,
// and reports the remaining ones of this draft. A conflicting entry has no name or digest
// that another one could take.
func (d *draft) resolveConflicts() {
	if d.released && len(d.next.conflicting) > 0 {
		for _, entry := range d.next.conflictsInOrder() {
			if !d.isAvailable(&entry) {
				continue
			}
			d.apply(&entry)
			if entry.Key.Kind == directory.KindProject {
				d.affectedProjects = append(d.affectedProjects, entry.Key.Project)
			}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(d.conflicts), compareKeys) {
		entry := d.next.conflicting[k]
		d.problems = append(d.problems, d.next.conflictProblem(&entry))
	}
}

// claimName gives a name to a user, unless a user that precedes it has the name.
func (d *draft) claimName(e *userEntry, name string) bool {
	claim := func() *userEntry {
		return d.next.usersByName.PutIfAbsent(d.owner, hashName(name), e, func(x *userEntry) bool { return x.user.Name == name })
	}
	holder := claim()
	if holder == nil {
		return true
	}
	if !d.precedes(directory.UserKey(e.id), directory.UserKey(holder.id)) {
		return false
	}
	holder = d.user(holder.id)
	d.next.usersByName.Remove(d.owner, hashName(name), func(x *userEntry) bool { return x.id == holder.id })
	u := holder.mutableUser()
	loser := *u
	loser.Keys = nil
	d.addConflict(&directory.Entry{Key: directory.UserKey(holder.id), Revision: u.Revision, Value: &loser})
	holder.exists, holder.hasName, *u = false, false, directory.User{ID: holder.id, Keys: u.Keys}
	claim()
	return true
}

// claimDigest gives a digest to a key, unless a key that precedes it has the digest.
func (d *draft) claimDigest(e *userEntry, k *directory.Key) bool {
	hash := hashDigest(&k.Digest)
	claim := func() *userEntry {
		return d.next.usersByDigest.PutIfAbsent(d.owner, hash, e, func(x *userEntry) bool { return x.keyOf(&k.Digest) != nil })
	}
	holder := claim()
	if holder == nil {
		return true
	}
	loser := *holder.keyOf(&k.Digest)
	loserKey := directory.KeyKey(holder.id, loser.ID)
	if !d.precedes(directory.KeyKey(e.id, k.ID), loserKey) {
		return false
	}
	holder = d.user(holder.id)
	d.next.usersByDigest.Remove(d.owner, hash, func(x *userEntry) bool { return x.id == holder.id })
	u := holder.mutableUser()
	u.Keys = slices.DeleteFunc(u.Keys, func(k directory.Key) bool { return k.ID == loser.ID })
	d.addConflict(&directory.Entry{Key: loserKey, Revision: loser.Revision, Value: &loser})
	claim()
	return true
}

// claimProject gives a name to a project, unless a project that precedes it has the
// name.
func (d *draft) claimProject(p *projectEntry, name string) bool {
	claim := func() *projectEntry {
		return d.next.projectsByName.PutIfAbsent(d.owner, hashName(name), p, func(x *projectEntry) bool { return x.project.Name == name })
	}
	holder := claim()
	if holder == nil {
		return true
	}
	if !d.precedes(directory.ProjectKey(p.id), directory.ProjectKey(holder.id)) {
		return false
	}
	holder = d.project(holder.id)
	d.next.projectsByName.Remove(d.owner, hashName(name), func(x *projectEntry) bool { return x.id == holder.id })
	loser := holder.project
	loser.Topics, loser.Subscriptions = nil, nil
	d.addConflict(&directory.Entry{Key: directory.ProjectKey(holder.id), Revision: loser.Revision, Value: &loser})
	holder.exists, holder.hasName, holder.project = false, false, directory.Project{ID: holder.id}
	d.affectedProjects = append(d.affectedProjects, holder.id)
	claim()
	return true
}

// isAvailable reports whether no entry has the name or digest of a conflicting one.
func (d *draft) isAvailable(entry *directory.Entry) bool {
	switch v := entry.Value.(type) {
	case *directory.User:
		return d.next.userNamed(v.Name) == nil
	case *directory.Project:
		return d.next.projectNamed(v.Name) == nil
	case *directory.Key:
		return d.next.keyHolder(&v.Digest) == nil
	default:
		return true
	}
}

// conflictProblem says why an entry is conflicting.
func (s *Snapshot) conflictProblem(e *directory.Entry) directory.Problem {
	p := directory.Problem{Path: e.Key.Path(), Hint: "choose another name"}
	switch v := e.Value.(type) {
	case *directory.User:
		p.Message = "user " + secret.Name(v.Name) + " already exists"
	case *directory.Project:
		p.Message = "project " + secret.Name(v.Name) + " already exists"
	case *directory.Key:
		noun := v.Kind().Noun()
		p.Message, p.Hint = "this "+noun+" already belongs to another user", "every "+noun+" belongs to one user"
		if v.Other == nil {
			p.Hint += ": create a new one"
		}
		if u := s.user(e.Key.User); u != nil && u.keyOf(&v.Digest) != nil {
			p.Message = "this " + noun + " already belongs to the user, under another id"
		}
	}
	return p
}
