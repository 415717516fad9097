package directory

import (
	"crypto/sha1" //nolint:gosec // as in IDOf

	"github.com/google/uuid"
)

// space is that of ids that follow from names (RFC 9562, version 5).
var space = uuid.MustParse("5f3f2b0e-6d0c-4c1b-9d0a-3b1f4e5c7a10")

// IDOf returns the id of a user or project that states none: it follows from the name.
func IDOf(kind Kind, name string) uuid.UUID {
	var room [128]byte // where uuid.NewSHA1 would leave garbage, for a million users
	text := append(room[:0], space[:]...)
	text = append(append(append(text, kind...), '/'), name...)
	sum := sha1.Sum(text) //nolint:gosec // what version 5 is made of; it protects nothing
	id := uuid.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|5<<4, id[8]&0x3f|0x80 // version and variant
	return id
}

// NewSnapshot checks and indexes records. The error is Problems, all at once.
// The records belong to the snapshot from then on.
func NewSnapshot(r Records) (*Snapshot, error) {
	r.identify()
	c := check(&r, nil)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	d, rosters := newWhole(), c.rosters // the rest of c is not needed any more
	users := d.adopt(r.Users)
	for i := range r.Projects {
		r.Projects[i].entries(d.idsIn(rosters[i], users), d.take)
		r.Projects[i], rosters[i] = Project{}, nil // the memory is needed
	}
	s := d.commit()
	if problems := d.all(); len(problems) > 0 {
		return nil, problems
	}
	return s, nil
}

// idsIn returns what yields the ids of the members of a project, by their names.
// They are asked for next.
func (d *draft) idsIn(r *roster, users []userEntry) func(member string) (uuid.UUID, bool) {
	for _, n := range r.users {
		e := &users[n]
		d.recent.add(hashID(&e.id), e)
	}
	return func(member string) (uuid.UUID, bool) {
		i, ok := r.find(member)
		if !ok {
			return uuid.Nil, false
		}
		return users[r.users[i]].id, true
	}
}

// identify gives an id to whoever has none.
func (r *Records) identify() {
	for i := range r.Users {
		u := &r.Users[i]
		if u.ID == uuid.Nil {
			u.ID = IDOf(KindUser, u.Name)
		} else {
			r.stated = true
		}
		for j := range u.Keys {
			if k := &u.Keys[j]; k.ID == "" {
				k.ID = k.Digest.KeyID()
			}
		}
	}
	for i := range r.Projects {
		p := &r.Projects[i]
		if p.ID == uuid.Nil {
			p.ID = IDOf(KindProject, p.Name)
		} else {
			r.stated = true
		}
	}
}

// Entries yields the records one thing at a time: users with their keys, then
// projects, each with what is in it. Names that lead nowhere are left out.
func (r *Records) Entries(yield func(Entry) bool) {
	ids := make(map[string]uuid.UUID, len(r.Users))
	put := func(k EntryKey, v Value) bool { return yield(Entry{Key: k, Value: v}) }
	for i := range r.Users {
		ids[r.Users[i].Name] = r.Users[i].ID
		if !r.Users[i].entries(put) {
			return
		}
	}
	id := func(user string) (id uuid.UUID, ok bool) {
		id, ok = ids[user]
		return id, ok
	}
	for i := range r.Projects {
		if !r.Projects[i].entries(id, put) {
			return
		}
	}
}

func (u *User) entries(put func(EntryKey, Value) bool) bool {
	if !put(UserKey(u.ID), u) {
		return false
	}
	for i := range u.Keys {
		if !put(KeyKey(u.ID, u.Keys[i].ID), &u.Keys[i]) {
			return false
		}
	}
	return true
}

func (p *Project) entries(idOf func(user string) (uuid.UUID, bool), put func(EntryKey, Value) bool) bool {
	if !put(ProjectKey(p.ID), p) {
		return false
	}
	for i := range p.Members {
		m := &p.Members[i]
		if id, ok := idOf(m.User); ok && !put(MemberKey(p.ID, id), m) {
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
		return put(ResourceKey(kind, p.ID, name), list)
	}
	for i := range p.Topics {
		t := &p.Topics[i]
		if !put(ResourceKey(KindTopic, p.ID, t.Name), t) || !acl(KindTopicACL, t.Name, t.ACL) {
			return false
		}
	}
	for i := range p.Subscriptions {
		s := &p.Subscriptions[i]
		if !put(ResourceKey(KindSubscription, p.ID, s.Name), s) || !acl(KindSubscriptionACL, s.Name, s.ACL) {
			return false
		}
	}
	return true
}
