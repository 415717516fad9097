package directory

import (
	"bytes"
	"maps"
	"slices"

	"github.com/google/uuid"
)

// draft is a snapshot that is being changed. It takes entries in any order, and
// whatever they say: what does not fit is left out of what requests see.
type draft struct {
	e        *edit
	s        *Snapshot
	users    []*userEntry
	projects []*projectEntry
	problems Problems
	roles    shared[Role]
	service  shared[ServiceRole]
	types    shared[ConnectionType]
	turns    turns
}

func newDraft(s *Snapshot) *draft {
	next := *s
	next.accounts = maps.Clone(s.accounts)
	if next.accounts == nil {
		next.accounts = map[string]account{}
	}
	return &draft{e: &edit{}, s: &next}
}

func (d *draft) add(key EntryKey, hint, message string) {
	d.problems = append(d.problems, Problem{Path: key.String(), Message: message, Hint: hint})
}

// user returns a user, known or not, to be changed.
func (d *draft) user(id uuid.UUID) *userEntry {
	e := d.s.user(id)
	if e != nil && e.owner == d.e {
		return e
	}
	own := &userEntry{owner: d.e, id: id, user: User{ID: id}}
	if e != nil {
		*own = *e
		own.owner = d.e
		own.user.Keys = slices.Clone(e.user.Keys)
		own.places = slices.Clone(e.places)
		for i := range own.places { // whoever appends gets a list of its own
			in := &own.places[i]
			in.topics, in.subs = slices.Clip(in.topics), slices.Clip(in.subs)
		}
		d.count(e, -1)
	}
	d.users = append(d.users, own)
	d.s.ids.put(d.e, hashID(&id), own, func(x *userEntry) bool { return x.id == id })
	if own.named {
		d.s.names.put(d.e, hashName(own.user.Name), own, func(x *userEntry) bool { return x.id == id })
	}
	for i := range own.user.Keys {
		d.index(own, &own.user.Keys[i])
	}
	return own
}

func (d *draft) count(e *userEntry, n int) {
	if e.named {
		d.s.size.Users += n
		d.s.size.Keys += n * len(e.user.Keys)
	}
}

// index makes the digest of a key lead to its user, unless it leads to another.
func (d *draft) index(e *userEntry, k *Key) (taken bool) {
	h, digest := hashDigest(&k.Digest), k.Digest
	if other := d.s.digests.find(h, func(x *userEntry) bool { return x.keyOf(&digest) != nil || x.id == e.id }); other != nil && other.id != e.id {
		return true
	}
	d.s.digests.put(d.e, h, e, func(x *userEntry) bool { return x.id == e.id })
	return false
}

func (d *draft) project(id uuid.UUID) *projectEntry {
	p := d.s.project(id)
	if p != nil && p.owner == d.e {
		return p
	}
	own := &projectEntry{owner: d.e, id: id, project: Project{ID: id}}
	if p != nil {
		*own = *p
		own.owner, own.was = d.e, p
		own.members = slices.Clone(p.members)
		own.topics, own.subs = slices.Clone(p.topics), slices.Clone(p.subs)
	}
	d.projects = append(d.projects, own)
	d.s.projects.put(d.e, hashID(&id), own, func(x *projectEntry) bool { return x.id == id })
	if own.named {
		d.s.called.put(d.e, hashName(own.project.Name), own, func(x *projectEntry) bool { return x.id == id })
	}
	return own
}

// apply takes one entry. The value belongs to the draft from then on.
func (d *draft) apply(entry *Entry) {
	d.turns.step()
	d.note(entry)
	k := entry.Key
	switch k.Kind {
	case KindUser:
		v, _ := entry.Value.(*User)
		d.applyUser(k, v, entry.Revision)
	case KindKey:
		v, _ := entry.Value.(*Key)
		d.applyKey(k, v, entry.Revision)
	case KindProject:
		v, _ := entry.Value.(*Project)
		d.applyProject(k, v, entry.Revision)
	case KindMember:
		v, _ := entry.Value.(*Member)
		d.applyMember(k, v, entry.Revision)
	case KindTopic:
		v, _ := entry.Value.(*Topic)
		p := d.project(k.Project)
		if r := change(d.e, &p.topics, k.Name); v == nil {
			r.there, r.view, r.subject = false, Topic{}, ""
		} else {
			r.there, r.view, r.subject = true, *v, v.Subject
			r.view.Name, r.view.Revision, r.view.ACL = k.Name, entry.Revision, nil
		}
		dropEmpty(&p.topics, k.Name)
	case KindSubscription:
		v, _ := entry.Value.(*Subscription)
		p := d.project(k.Project)
		if r := change(d.e, &p.subs, k.Name); v == nil {
			r.there, r.view = false, Subscription{}
		} else {
			r.there, r.view = true, *v
			r.view.Name, r.view.Revision, r.view.ACL = k.Name, entry.Revision, nil
		}
		dropEmpty(&p.subs, k.Name)
	case KindTopicACL, KindSubscriptionACL:
		v, _ := entry.Value.(*ACL)
		p := d.project(k.Project)
		if k.Kind == KindTopicACL {
			setACL(change(d.e, &p.topics, k.Name), v, entry.Revision)
			dropEmpty(&p.topics, k.Name)
		} else {
			setACL(change(d.e, &p.subs, k.Name), v, entry.Revision)
			dropEmpty(&p.subs, k.Name)
		}
	}
}

func setACL[T any](r *resource[T], v *ACL, revision uint64) {
	if v == nil {
		r.acl, r.revision = nil, 0
		return
	}
	r.acl, r.revision = v.Users, revision
	if r.acl == nil {
		r.acl = []uuid.UUID{}
	}
}

func (d *draft) applyUser(k EntryKey, v *User, revision uint64) {
	e := d.user(k.User)
	if e.named && (v == nil || v.Name != e.user.Name) {
		d.s.names.remove(d.e, hashName(e.user.Name), func(x *userEntry) bool { return x.id == e.id })
		e.named = false
	}
	keys := e.user.Keys
	if v == nil {
		e.there, e.user = false, User{ID: e.id, Keys: keys}
		return
	}
	e.there, e.user = true, *v
	e.user.ID, e.user.Keys, e.user.Revision = e.id, keys, revision
	e.user.ServiceRoles = d.service.one(v.ServiceRoles)
	e.user.Limits.ConnectionTypes = d.types.one(v.Limits.ConnectionTypes)
}

func (d *draft) applyKey(k EntryKey, v *Key, revision uint64) {
	e := d.user(k.User)
	at := slices.IndexFunc(e.user.Keys, func(x Key) bool { return x.ID == k.Name })
	if at >= 0 {
		old := e.user.Keys[at]
		e.user.Keys = slices.Delete(e.user.Keys, at, at+1)
		if e.keyOf(&old.Digest) == nil {
			d.s.digests.remove(d.e, hashDigest(&old.Digest), func(x *userEntry) bool { return x.id == e.id })
		}
	}
	if v == nil {
		return
	}
	own := *v
	own.ID, own.Revision = k.Name, revision
	e.rekeyed = true
	if at < 0 {
		at = len(e.user.Keys)
	}
	e.user.Keys = slices.Insert(e.user.Keys, at, own)
}

func (d *draft) applyProject(k EntryKey, v *Project, revision uint64) {
	p := d.project(k.Project)
	if p.named && (v == nil || v.Name != p.project.Name) {
		d.s.called.remove(d.e, hashName(p.project.Name), func(x *projectEntry) bool { return x.id == p.id })
		p.named = false
	}
	topics, subs := p.project.Topics, p.project.Subscriptions
	if v == nil {
		p.there, p.project = false, Project{ID: p.id}
		return
	}
	p.there, p.project = true, *v
	p.project.ID, p.project.Revision, p.project.Members = p.id, revision, nil
	p.project.Topics, p.project.Subscriptions = topics, subs
}

func (d *draft) applyMember(k EntryKey, v *Member, revision uint64) {
	e, p := d.user(k.User), d.project(k.Project)
	in := e.in(k.Project)
	if v == nil {
		in.member, in.roles, in.revision = false, nil, 0
		e.tidy(k.Project)
		if at, ok := slices.BinarySearchFunc(p.members, k.User, compareIDs); ok {
			p.members = slices.Delete(p.members, at, at+1)
		}
		return
	}
	in.member, in.roles, in.revision = true, d.roles.one(v.Roles), revision
	if at, ok := slices.BinarySearchFunc(p.members, k.User, compareIDs); !ok {
		p.members = slices.Insert(p.members, at, k.User)
	}
}

func compareIDs(x, y uuid.UUID) int { return bytes.Compare(x[:], y[:]) }
