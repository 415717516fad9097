package transfer

import (
	"cmp"

	"usher/directory"
)

// check reports the faults that the directory would have after the change.
func (t *target) check(entries []directory.Entry) directory.Problems {
	next, conflicts := t.current.Preview(entries)
	problems := append(t.problems, next.Check(&t.records)...)
	if len(problems) > 0 || len(conflicts) == 0 {
		return problems
	}
	paths := t.paths()
	for _, p := range conflicts {
		p.Path = cmp.Or(paths[p.Path], p.Path)
		problems = append(problems, p)
	}
	return problems
}

// paths returns the paths in the records of the keys of entries.
func (t *target) paths() map[string]string {
	paths := map[string]string{}
	for i := range t.records.Users {
		u, path := &t.records.Users[i], at("users", i)
		paths[directory.UserKey(u.ID).String()] = path + ".name"
		for j := range u.Keys {
			paths[directory.KeyKey(u.ID, u.Keys[j].ID).String()] = path + "." + u.KeyPath(j) + "." + u.Keys[j].Kind().DigestField()
		}
	}
	for i := range t.records.Projects {
		p, path := &t.records.Projects[i], at("projects", i)
		paths[directory.ProjectKey(p.ID).String()] = path + ".name"
		for j := range p.Topics {
			paths[directory.ResourceKey(directory.KindTopic, p.ID, p.Topics[j].Name).String()] = path + "." + at("topics", j)
		}
	}
	for i := range t.records.Bans {
		paths[directory.BanKey(t.records.Bans[i].ID).String()] = at("bans", i)
	}
	return paths
}

// locksOut reports whether the change would lock out all service administrators, as
// lockout.By does for a change.
func (t *target) locksOut() bool {
	for _, anywhere := range []bool{false, true} {
		before, after := false, false
		for u := range t.current.Users() {
			if u.Administers(t.o.Now, anywhere) {
				before = true
				_, changed := t.userIndex[u.ID]
				after = after || !changed && !t.o.Replace
			}
		}
		for i := range t.records.Users {
			after = after || t.records.Users[i].Administers(t.o.Now, anywhere)
		}
		if before && !after {
			return true
		}
	}
	return false
}

// willAdminister reports whether a user administers the directory after the change. Such
// users come first, before those that lose this right.
func (t *target) willAdminister(u *directory.User) bool { return u.Administers(t.o.Now, false) }
