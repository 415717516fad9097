package transfer

import (
	"strconv"

	"github.com/google/uuid"

	"usher/directory"
	"usher/internal/secret"
)

func (t *target) identifyUsers() {
	users := t.records.Users
	t.numbers = identify(t, directory.KindUser, "users", users,
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

// identify gives ids to those that state none: that of who has the name now, or
// a new one that follows from the name.
func identify[T any](t *target, kind directory.Kind, list string, all []T, of func(*T) (*uuid.UUID, string), named namer, known func(uuid.UUID) bool) map[uuid.UUID]int {
	numbers := make(map[uuid.UUID]int, len(all))
	problem := func(i int, key, message, hint string) {
		t.problems = append(t.problems, directory.Problem{Path: at(list, i) + "." + key, Message: message, Hint: hint})
	}
	for i := range all {
		id, _ := of(&all[i])
		if *id == uuid.Nil {
			continue
		}
		if first, ok := numbers[*id]; ok {
			problem(i, "uuid", "is already that of "+at(list, first), "")
			*id = uuid.Nil
			continue
		}
		numbers[*id] = i
	}
	for i := range all {
		id, name := of(&all[i])
		if *id != uuid.Nil {
			continue
		}
		have, ok := named(name)
		if _, taken := numbers[have]; !ok || taken {
			have = directory.IDOf(kind, name)
			for n := 2; ; n++ { // somebody who had the name before may have it
				if _, taken := numbers[have]; !taken && !known(have) {
					break
				}
				have = directory.IDOf(kind, name+"#"+strconv.Itoa(n))
			}
		}
		*id = have
		numbers[have] = i
	}
	if t.o.Replace {
		return numbers
	}
	for i := range all {
		id, name := of(&all[i])
		if have, ok := named(name); ok && have != *id {
			if _, stays := numbers[have]; !stays {
				problem(i, "uuid", string(kind)+" "+secret.Name(name)+" is there already, with another uuid",
					"leave the uuid out to change that one, or state "+have.String())
			}
		}
	}
	return numbers
}

func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }
