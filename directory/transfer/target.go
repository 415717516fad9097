package transfer

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// idLookup finds the id of a user or project by name.
type idLookup func(name string) (uuid.UUID, bool)

// target is the directory after the change: the records, completed with what they do
// not state.
type target struct {
	current *snapshot.Snapshot
	o       Options
	records directory.Records // in their order; kept members, topics and so on come last

	usersBefore     []*directory.User // of each user of the records; nil: new
	projectsBefore  []*directory.Project
	removedUsers    []*directory.User
	removedProjects []*directory.Project

	userIndex map[uuid.UUID]int    // of the users of the records
	byName    map[string]uuid.UUID // the same users
	renamed   bool                 // a user is renamed
	problems  directory.Problems
	sealing   error // why a header cannot be sealed
}

func newTarget(current *snapshot.Snapshot, want directory.Records, o Options) *target {
	t := &target{
		current: current, o: o,
		records: directory.Records{Users: slices.Clone(want.Users), Projects: slices.Clone(want.Projects), Bans: slices.Clone(want.Bans)},
	}
	t.identifyUsers()
	for i := range t.records.Users {
		t.user(&t.records.Users[i])
	}
	projects := t.identifyProjects()
	for i := range t.records.Projects {
		t.project(&t.records.Projects[i])
	}
	t.identifyBans()
	if !o.Replace {
		return t
	}
	for u := range current.Users() {
		if _, stays := t.userIndex[u.ID]; !stays {
			t.removedUsers = append(t.removedUsers, u)
		}
	}
	for p := range current.Projects() {
		if _, stays := projects[p.ID]; !stays {
			record, _ := current.Record(p.ID)
			t.removedProjects = append(t.removedProjects, &record)
		}
	}
	return t
}

// idBefore finds a user by its name before the change.
func (t *target) idBefore(name string) (uuid.UUID, bool) {
	if u, ok := t.current.User(name); ok {
		return u.ID, true
	}
	return uuid.Nil, false
}

// idAfter finds a user by its name after the change.
func (t *target) idAfter(name string) (uuid.UUID, bool) {
	if id, ok := t.byName[name]; ok {
		return id, true
	}
	if id, ok := t.idBefore(name); ok && !t.o.Replace {
		_, other := t.userIndex[id]
		return id, !other
	}
	return uuid.Nil, false
}

// nameAfter returns the name after the change of the user who has this name before it.
func (t *target) nameAfter(name string) string {
	if id, ok := t.idBefore(name); ok {
		if i, ok := t.userIndex[id]; ok {
			return t.records.Users[i].Name
		}
	}
	return name
}

func (t *target) namesAfter(names []string) []string {
	if !t.renamed {
		return names
	}
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = t.nameAfter(name)
	}
	return all
}

// renames returns the new names of renamed users.
func (t *target) renames() map[uuid.UUID]string {
	names := map[uuid.UUID]string{}
	for i, was := range t.usersBefore {
		if u := &t.records.Users[i]; was != nil && was.Name != u.Name {
			names[u.ID] = u.Name
		}
	}
	return names
}

// user completes a user with what it keeps.
func (t *target) user(u *directory.User) {
	was, _ := t.current.UserByID(u.ID)
	t.usersBefore = append(t.usersBefore, was)
	u.Keys = t.keys(u, was)
	if was == nil {
		u.Made = t.timestamps(u.Made, directory.Made{Created: t.o.Now, Modified: t.o.Now, By: t.o.By})
		return
	}
	t.renamed = t.renamed || u.Name != was.Name
	if u.Profile == nil && !t.o.Replace {
		u.Profile = was.Profile
	}
	stated := u.Made.Modified
	u.Made = t.timestamps(u.Made, was.Made)
	if stated.IsZero() && !sameUser(u, was) {
		u.Made.Modified = t.o.Now
	}
}

// timestamps returns the stated values, completed with the known ones.
func (*target) timestamps(stated, known directory.Made) directory.Made {
	if stated.By == uuid.Nil {
		stated.By = known.By
	}
	return directory.Made{
		Created: orTime(stated.Created, known.Created), Modified: orTime(stated.Modified, known.Modified), By: stated.By,
	}
}

func orTime(x, y time.Time) time.Time {
	if x.IsZero() {
		return y
	}
	return x
}

// keys completes the keys of a user. A key is identified by its digest, or by its id if
// the digest changes.
func (t *target) keys(u, was *directory.User) []directory.Key {
	keys, old := slices.Clone(u.Keys), []directory.Key(nil)
	if was != nil {
		old = was.Keys
	}
	if len(keys) == 0 && t.o.Replace {
		return nil
	}
	all := make([]directory.Key, 0, max(len(keys), len(old)))
	named := make([]bool, len(old))
	for i := range keys {
		k := &keys[i]
		if k.Other != nil && k.Digest == (directory.Digest{}) {
			k.Digest, _ = k.DigestFor(u.ID)
		}
	}
	for _, k := range keys {
		i := slices.IndexFunc(old, func(o directory.Key) bool { return o.Digest == k.Digest })
		if i >= 0 {
			named[i] = true
			if k.ID == "" && !slices.ContainsFunc(keys, func(x directory.Key) bool { return x.ID == old[i].ID }) {
				k.ID = old[i].ID
			}
		}
		k.ID = cmp.Or(k.ID, k.DefaultID())
		if i < 0 {
			if i = slices.IndexFunc(old, func(o directory.Key) bool { return o.ID == k.ID }); i >= 0 {
				named[i] = true
			}
		}
		if i >= 0 {
			k.Created = orTime(k.Created, old[i].Created)
		} else {
			k.Created = orTime(k.Created, t.o.Now)
		}
		all = append(all, k)
	}
	for i := range old {
		if !named[i] && !t.o.Replace {
			all = append(all, old[i])
		}
	}
	return all
}

func (t *target) users() []pair[directory.User] {
	all := make([]pair[directory.User], 0, len(t.usersBefore)+len(t.removedUsers))
	for i := range t.records.Users {
		all = append(all, pair[directory.User]{t.usersBefore[i], &t.records.Users[i]})
	}
	for _, u := range t.removedUsers {
		all = append(all, pair[directory.User]{before: u})
	}
	return all
}

func (t *target) projects() []pair[directory.Project] {
	all := make([]pair[directory.Project], 0, len(t.projectsBefore)+len(t.removedProjects))
	for i := range t.records.Projects {
		all = append(all, pair[directory.Project]{t.projectsBefore[i], &t.records.Projects[i]})
	}
	for _, p := range t.removedProjects {
		all = append(all, pair[directory.Project]{before: p})
	}
	return all
}
