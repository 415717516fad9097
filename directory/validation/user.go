package validation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/hashtable"
	"usher/internal/secret"
)

func (c *checker) user(i int, u *directory.User) {
	c.yielder.Step()
	user := path{key: "users", index: i}
	at := user.field("name")
	if c.name(at, "user", u.Name) {
		if first, ok := c.names.Add(hashtable.HashString(u.Name), i, c.hasName(u.Name)); ok {
			c.addRepeated(at, "user", u.Name, first)
		}
	}
	use, reserved := directory.ReservedUser(u.Name)
	c.reserved(at, u.Name, use, reserved)
	each(c, user, "service_roles", "service role", u.ServiceRoles, directory.ServiceRoles())
	each(c, user.field("limits"), "connection_types", "connection type", u.Limits.ConnectionTypes, directory.ConnectionTypes())
	var ids map[string]int
	if len(u.Keys) > 1 {
		ids = make(map[string]int, len(u.Keys))
	}
	var places directory.KeyPlaces
	for j := range u.Keys {
		list, index := places.Next(u.Keys[j].Kind())
		c.key(path{parent: &user, key: list, index: index}, keyPosition{i, j}, &u.Keys[j], ids)
	}
}

// hasName returns a function that recognises a user by its name.
func (c *checker) hasName(name string) func(user int) bool {
	return func(user int) bool { return c.records.Users[user].Name == name }
}

// keyAt returns where a key is.
func (c *checker) keyAt(p keyPosition) string {
	return fmt.Sprintf("users[%d].%s", p.user, c.records.Users[p.user].KeyPath(p.key))
}

// keyID checks the id of a key, and that no key before it has the id.
func (c *checker) keyID(at path, id string, position keyPosition, ids map[string]int) {
	if !c.name(at, "key", id) || ids == nil {
		return
	}
	if first, ok := ids[id]; ok {
		c.add(at, "", "key %s is already defined at %s", secret.Name(id), c.keyAt(keyPosition{position.user, first}))
		return
	}
	ids[id] = position.key
}

// key checks a key of a user. ids has the ids of the keys before it; nil: it is the
// only key.
func (c *checker) key(at path, position keyPosition, k *directory.Key, ids map[string]int) {
	kind := k.Kind()
	field := at.field(kind.DigestField())
	switch {
	case k.ID != "":
		c.keyID(at.field("id"), k.ID, position, ids)
	case ids != nil:
		c.keyID(field, k.DefaultID(), position, ids)
	}
	first, ok := c.keys.add(&k.Digest, position, func(p keyPosition) bool {
		return c.records.Users[p.user].Keys[p.key].Digest == k.Digest
	})
	switch {
	case !ok:
	case kind == directory.KeyAPI:
		c.add(field, "every key belongs to one user: create a new one (usher apikey new)", "this digest is already at %s", c.keyAt(first))
	default:
		c.add(field, "", "this %s is already at %s", kind.Noun(), c.keyAt(first))
	}
	for _, p := range k.Check(c.records.Users[position.user].ID) {
		c.add(at.field(p.Path), p.Hint, "%s", p.Message)
	}
	if !k.Expires.IsZero() && !k.NotBefore.IsZero() && !k.NotBefore.Before(k.Expires) {
		c.add(at.field("not_before"), "", "is not before expires, so the key would never be valid")
	}
}

// ids checks that no two users or projects have the same id. An id that is derived
// from a name may be equal to an id that another record states.
func (c *checker) ids() {
	if !c.records.StateIDs() {
		return
	}
	seen := map[uuid.UUID]string{}
	check := func(at path, id uuid.UUID) {
		if first, ok := seen[id]; ok {
			c.add(at.field("uuid"), "", "is already that of %s", first)
		}
		seen[id] = at.String()
	}
	for i := range c.records.Users {
		check(path{key: "users", index: i}, c.records.Users[i].ID)
	}
	for i := range c.records.Projects {
		check(path{key: "projects", index: i}, c.records.Projects[i].ID)
	}
}

// each checks that every value of a list is known and appears once.
func each[T ~string](c *checker, at path, list, kind string, values, known []T) {
	for i, v := range values {
		if !slices.Contains(known, v) {
			c.add(at.element(list, i), "one of "+join(known), "there is no %s %s", kind, secret.Name(string(v)))
		} else if slices.Contains(values[:i], v) {
			c.add(at.element(list, i), "", "%s %q appears twice", kind, v)
		}
	}
}

func join[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}
