package transfer

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// namer finds the id of a user by a name that it has before or after the change.
type namer func(name string) (uuid.UUID, bool)

// target is what the directory is to become, as far as the records say it.
type target struct {
	current  *snapshot.Snapshot
	o        Options
	records  directory.Records // in the order in which they came, and with what stays behind it
	was      []*directory.User // of each user of the records
	wasIn    []*directory.Project
	gone     []*directory.User
	goneIn   []*directory.Project
	numbers  map[uuid.UUID]int // users of the records
	byName   map[string]uuid.UUID
	renamed  bool // whether a user gets another name
	problems directory.Problems
}

func newTarget(current *snapshot.Snapshot, want directory.Records, o Options) *target {
	t := &target{
		current: current, o: o,
		records: directory.Records{Users: slices.Clone(want.Users), Projects: slices.Clone(want.Projects)},
	}
	t.identifyUsers()
	for i := range t.records.Users {
		t.user(&t.records.Users[i])
	}
	projects := t.identifyProjects()
	for i := range t.records.Projects {
		t.project(&t.records.Projects[i])
	}
	if !o.Replace {
		return t
	}
	for u := range current.Users() {
		if _, stays := t.numbers[u.ID]; !stays {
			t.gone = append(t.gone, u)
		}
	}
	for p := range current.Projects() {
		if _, stays := projects[p.ID]; !stays {
			record, _ := current.Record(p.ID)
			t.goneIn = append(t.goneIn, &record)
		}
	}
	return t
}

// from finds a user by the name before the change.
func (t *target) from(name string) (uuid.UUID, bool) {
	if u, ok := t.current.User(name); ok {
		return u.ID, true
	}
	return uuid.Nil, false
}

// to finds a user by the name after the change.
func (t *target) to(name string) (uuid.UUID, bool) {
	if id, ok := t.byName[name]; ok {
		return id, true
	}
	if id, ok := t.from(name); ok && !t.o.Replace {
		_, other := t.numbers[id]
		return id, !other
	}
	return uuid.Nil, false
}

// called returns the name after the change of who has a name before it.
func (t *target) called(name string) string {
	if id, ok := t.from(name); ok {
		if i, ok := t.numbers[id]; ok {
			return t.records.Users[i].Name
		}
	}
	return name
}

func (t *target) allCalled(names []string) []string {
	if !t.renamed {
		return names
	}
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = t.called(name)
	}
	return all
}

// renames returns the new names of those who get one.
func (t *target) renames() map[uuid.UUID]string {
	names := map[uuid.UUID]string{}
	for i, was := range t.was {
		if u := &t.records.Users[i]; was != nil && was.Name != u.Name {
			names[u.ID] = u.Name
		}
	}
	return names
}

// user completes a user with what stays as it is.
func (t *target) user(u *directory.User) {
	was, _ := t.current.UserByID(u.ID)
	t.was = append(t.was, was)
	u.Keys = t.keys(u.Keys, was)
	if was == nil {
		u.Made = t.made(u.Made, directory.Made{Created: t.o.Now, Modified: t.o.Now, By: t.o.By})
		return
	}
	t.renamed = t.renamed || u.Name != was.Name
	if u.Profile == nil && !t.o.Replace {
		u.Profile = was.Profile
	}
	stated := u.Made.Modified
	u.Made = t.made(u.Made, was.Made)
	if stated.IsZero() && !sameUser(u, was) {
		u.Made.Modified = t.o.Now
	}
}

// made is what is stated, and otherwise what is known.
func (*target) made(stated, known directory.Made) directory.Made {
	if stated.By == uuid.Nil {
		stated.By = known.By
	}
	return directory.Made{
		Created: either(stated.Created, known.Created), Modified: either(stated.Modified, known.Modified), By: stated.By,
	}
}

func either(x, y time.Time) time.Time {
	if x.IsZero() {
		return y
	}
	return x
}

// keys completes the keys of a user. A key is known by its digest, and by its id
// if it gets another digest.
func (t *target) keys(keys []directory.Key, was *directory.User) []directory.Key {
	var old []directory.Key
	if was != nil {
		old = was.Keys
	}
	if len(keys) == 0 && t.o.Replace {
		return nil
	}
	all := make([]directory.Key, 0, max(len(keys), len(old)))
	named := make([]bool, len(old))
	for _, k := range keys {
		i := slices.IndexFunc(old, func(o directory.Key) bool { return o.Digest == k.Digest })
		if i >= 0 {
			named[i] = true
			if k.ID == "" && !slices.ContainsFunc(keys, func(x directory.Key) bool { return x.ID == old[i].ID }) {
				k.ID = old[i].ID
			}
		}
		k.ID = cmp.Or(k.ID, k.Digest.KeyID())
		if i < 0 {
			if i = slices.IndexFunc(old, func(o directory.Key) bool { return o.ID == k.ID }); i >= 0 {
				named[i] = true
			}
		}
		if i >= 0 {
			k.Created = either(k.Created, old[i].Created)
		} else {
			k.Created = either(k.Created, t.o.Now)
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
	all := make([]pair[directory.User], 0, len(t.was)+len(t.gone))
	for i := range t.records.Users {
		all = append(all, pair[directory.User]{t.was[i], &t.records.Users[i]})
	}
	for _, u := range t.gone {
		all = append(all, pair[directory.User]{was: u})
	}
	return all
}

func (t *target) projects() []pair[directory.Project] {
	all := make([]pair[directory.Project], 0, len(t.wasIn)+len(t.goneIn))
	for i := range t.records.Projects {
		all = append(all, pair[directory.Project]{t.wasIn[i], &t.records.Projects[i]})
	}
	for _, p := range t.goneIn {
		all = append(all, pair[directory.Project]{was: p})
	}
	return all
}
