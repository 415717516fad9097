package directory

import (
	"crypto/sha1" //nolint:gosec // as in IDOf

	"github.com/google/uuid"
)

// Records is a whole directory as it was decoded, before it is checked and indexed.
type Records struct {
	Users    []User
	Projects []Project
	Bans     []Ban

	statesIDs bool // at least one record states its id
}

// idNamespace is the namespace of ids that are derived from names (RFC 9562,
// version 5).
var idNamespace = uuid.MustParse("5f3f2b0e-6d0c-4c1b-9d0a-3b1f4e5c7a10")

// IDOf returns the id of a user or project that states none. It is derived from the
// name.
func IDOf(kind Kind, name string) uuid.UUID {
	var buffer [128]byte // uuid.NewSHA1 would allocate, once for each of a million users
	text := append(buffer[:0], idNamespace[:]...)
	text = append(append(append(text, kind...), '/'), name...)
	sum := sha1.Sum(text) //nolint:gosec // RFC 9562 demands SHA-1 for version 5; it protects nothing
	id := uuid.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|5<<4, id[8]&0x3f|0x80 // version and variant
	return id
}

// AssignIDs gives an id to every user, key, project and ban that states none, and a digest to
// every key that can be derived from its content.
func (r *Records) AssignIDs() {
	for i := range r.Users {
		u := &r.Users[i]
		if u.ID == uuid.Nil {
			u.ID = IDOf(KindUser, u.Name)
		} else {
			r.statesIDs = true
		}
		u.Complete()
	}
	for i := range r.Projects {
		p := &r.Projects[i]
		if p.ID == uuid.Nil {
			p.ID = IDOf(KindProject, p.Name)
		} else {
			r.statesIDs = true
		}
	}
	r.assignBans()
}

// assignBans gives an id to every ban that states none, and the id of its user to every ban
// that names it.
func (r *Records) assignBans() {
	var ids map[string]uuid.UUID
	for i := range r.Bans {
		b := &r.Bans[i]
		if b.User != "" && b.Target.User == uuid.Nil {
			if ids == nil {
				ids = make(map[string]uuid.UUID, len(r.Users))
				for j := range r.Users {
					ids[r.Users[j].Name] = r.Users[j].ID
				}
			}
			b.Target.User = ids[b.User]
		}
		if b.ID == "" {
			b.ID = b.Target.DefaultID()
		}
	}
}

// StateIDs reports whether AssignIDs has found a user or project that states its
// id. Only then can two of them have the same id.
func (r *Records) StateIDs() bool { return r.statesIDs }

// Entries yields the records as entries: users with their keys, then projects, each
// with what belongs to it, then bans. It skips members and ACL names that no user has.
func (r *Records) Entries(yield func(Entry) bool) {
	ids := make(map[string]uuid.UUID, len(r.Users))
	put := func(k EntryKey, v Value) bool { return yield(Entry{Key: k, Value: v}) }
	for i := range r.Users {
		ids[r.Users[i].Name] = r.Users[i].ID
		if !r.Users[i].entries(put) {
			return
		}
	}
	idOf := func(user string) (id uuid.UUID, ok bool) {
		id, ok = ids[user]
		return id, ok
	}
	for i := range r.Projects {
		if !r.Projects[i].Entries(idOf, put) {
			return
		}
	}
	for i := range r.Bans {
		if !put(BanKey(r.Bans[i].ID), &r.Bans[i]) {
			return
		}
	}
}

func (u *User) entries(yield func(EntryKey, Value) bool) bool {
	if !yield(UserKey(u.ID), u) {
		return false
	}
	for i := range u.Keys {
		if !yield(KeyKey(u.ID, u.Keys[i].ID), &u.Keys[i]) {
			return false
		}
	}
	return true
}

// Entries yields the entries of a project and of what belongs to it. idOf finds users
// by name; members and ACL names that it does not find are skipped. It returns false
// if yield did.
func (p *Project) Entries(idOf func(user string) (uuid.UUID, bool), yield func(EntryKey, Value) bool) bool {
	if !yield(ProjectKey(p.ID), p) {
		return false
	}
	for i := range p.Members {
		m := &p.Members[i]
		if id, ok := idOf(m.User); ok && !yield(MemberKey(p.ID, id), m) {
			return false
		}
	}
	acl := func(kind Kind, name string, users []string) bool {
		if len(users) == 0 {
			return true
		}
		list := &ACL{Users: make([]uuid.UUID, 0, len(users))}
		for _, name := range users {
			if id, ok := idOf(name); ok {
				list.Users = append(list.Users, id)
			}
		}
		return yield(ResourceKey(kind, p.ID, name), list)
	}
	for i := range p.Topics {
		t := &p.Topics[i]
		if !yield(ResourceKey(KindTopic, p.ID, t.Name), t) || !acl(KindTopicACL, t.Name, t.ACL) {
			return false
		}
	}
	for i := range p.Subscriptions {
		s := &p.Subscriptions[i]
		if !yield(ResourceKey(KindSubscription, p.ID, s.Name), s) || !acl(KindSubscriptionACL, s.Name, s.ACL) {
			return false
		}
	}
	return true
}
