package transfer

import (
	"cmp"

	"usher/directory"
)

// check reports what would be wrong after the change.
func (t *target) check(entries []directory.Entry) directory.Problems {
	next, applied := t.current.Preview(entries)
	problems := append(t.problems, next.Check(&t.records)...)
	if len(problems) > 0 || len(applied) == 0 {
		return problems
	}
	paths := t.paths()
	for _, p := range applied {
		p.Path = cmp.Or(paths[p.Path], p.Path)
		problems = append(problems, p)
	}
	return problems
}

// paths leads from the keys of entries to where the records say them.
func (t *target) paths() map[string]string {
	paths := map[string]string{}
	for i := range t.records.Users {
		u, path := &t.records.Users[i], at("users", i)
		paths[directory.UserKey(u.ID).String()] = path + ".name"
		for j := range u.Keys {
			paths[directory.KeyKey(u.ID, u.Keys[j].ID).String()] = path + "." + at("keys", j) + ".digest"
		}
	}
	for i := range t.records.Projects {
		p, path := &t.records.Projects[i], at("projects", i)
		paths[directory.ProjectKey(p.ID).String()] = path + ".name"
		for j := range p.Topics {
			paths[directory.ResourceKey(directory.KindTopic, p.ID, p.Topics[j].Name).String()] = path + "." + at("topics", j)
		}
	}
	return paths
}

// locksOut reports whether somebody can manage the directory, and nobody after
// the change. The rule is that of Snapshot.LocksOut.
func (t *target) locksOut() bool {
	for _, anywhere := range []bool{false, true} {
		before, after := false, false
		for u := range t.current.Users() {
			if u.Administers(t.o.Now, anywhere) {
				before = true
				_, changes := t.numbers[u.ID]
				after = after || !changes && !t.o.Replace
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

// manages reports whether a user is a service_admin with a key that works, and goes
// on to. It comes before those that lose that.
func (t *target) manages(u *directory.User) bool { return u.Administers(t.o.Now, false) }
