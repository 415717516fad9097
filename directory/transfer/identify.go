package transfer

import (
	"strconv"

	"github.com/google/uuid"

	"usher/directory"
	"usher/internal/secret"
)

func (t *target) identifyUsers() {
	users := t.records.Users
	t.userIndex = identify(t, directory.KindUser, "users", users,
		func(u *directory.User) (*uuid.UUID, string) { return &u.ID, u.Name },
		func(name string) (uuid.UUID, bool) {
			u, ok := t.current.User(name)
			if !ok {
				return uuid.Nil, false
			}
			return u.ID, true
		},
		func(id uuid.UUID) bool { _, ok := t.current.UserByID(id); return ok })
	t.byName = make(map[string]uuid.UUID, len(users))
	for i := range users {
		t.byName[users[i].Name] = users[i].ID
	}
}

func (t *target) identifyProjects() map[uuid.UUID]int {
	return identify(t, directory.KindProject, "projects", t.records.Projects,
		func(p *directory.Project) (*uuid.UUID, string) { return &p.ID, p.Name },
		func(name string) (uuid.UUID, bool) {
			p, ok := t.current.Project(name)
			if !ok {
				return uuid.Nil, false
			}
			return p.ID, true
		},
		func(id uuid.UUID) bool { _, ok := t.current.ProjectByID(id); return ok })
}

// identify gives ids to records that state none: the id of the user or project that has
// the name now, or a new id derived from the name. It returns the index of each id.
func identify[T any](t *target, kind directory.Kind, list string, all []T, of func(*T) (*uuid.UUID, string), byName idLookup, known func(uuid.UUID) bool) map[uuid.UUID]int {
	index := make(map[uuid.UUID]int, len(all))
	problem := func(i int, key, message, hint string) {
		t.problems = append(t.problems, directory.Problem{Path: at(list, i) + "." + key, Message: message, Hint: hint})
	}
	for i := range all {
		id, _ := of(&all[i])
		if *id == uuid.Nil {
			continue
		}
		if first, ok := index[*id]; ok {
			problem(i, "uuid", "is already that of "+at(list, first), "")
			*id = uuid.Nil
			continue
		}
		index[*id] = i
	}
	for i := range all {
		id, name := of(&all[i])
		if *id != uuid.Nil {
			continue
		}
		existing, ok := byName(name)
		if _, taken := index[existing]; !ok || taken {
			existing = directory.IDOf(kind, name)
			for n := 2; ; n++ { // a user or project that was renamed may have the id
				if _, taken := index[existing]; !taken && !known(existing) {
					break
				}
				existing = directory.IDOf(kind, name+"#"+strconv.Itoa(n))
			}
		}
		*id = existing
		index[existing] = i
	}
	if t.o.Replace {
		return index
	}
	for i := range all {
		id, name := of(&all[i])
		if existing, ok := byName(name); ok && existing != *id {
			if _, stays := index[existing]; !stays {
				problem(i, "uuid", string(kind)+" "+secret.Name(name)+" already exists with another uuid",
					"omit the uuid to change the existing one, or state "+existing.String())
			}
		}
	}
	return index
}

func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }
