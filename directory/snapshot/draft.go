package snapshot

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"usher/directory"
	"usher/directory/hashtable"
	"usher/directory/yield"

	"github.com/google/uuid"
)

// draft is a snapshot that is being changed. It takes entries in any order, and
// whatever they say: what does not fit is left out of what requests see.
type draft struct {
	e        *hashtable.Owner
	was, s   *Snapshot
	users    []*userEntry
	recent   recent // of them
	projects []*projectEntry
	trying   bool                        // a change is checked: it takes nothing from anybody
	freed    bool                        // there is a name or a digest that was somebody's
	refused  map[directory.EntryKey]bool // entries of this draft that are waiting
	indirect []uuid.UUID                 // projects that changed because others did
	problems directory.Problems          // what is another's already
	blocked  directory.Problems          // topics that cannot have their subject
	roles    shared[directory.Role]
	service  shared[directory.ServiceRole]
	types    shared[directory.ConnectionType]
	turns    yield.Counter

	ownsUnread bool // s.unread is the draft's own
}

func newDraft(s *Snapshot) *draft {
	next := *s
	next.accounts, next.waiting = maps.Clone(s.accounts), maps.Clone(s.waiting)
	if next.accounts == nil {
		next.accounts = map[string]directory.AccountUse{}
	}
	return &draft{e: &hashtable.Owner{}, was: s, s: &next, recent: make(recent, 1)}
}

// newWhole returns a draft of a whole directory.
func newWhole() *draft {
	d := newDraft(Empty())
	d.recent = make(recent, ofProject)
	return d
}

// user returns a user, known or not, to be changed.
func (d *draft) user(id uuid.UUID) *userEntry {
	hash := hashID(&id)
	if e := d.recent.find(hash, id); e != nil {
		return e
	}
	e := d.s.user(id)
	if e != nil && e.owner == d.e {
		d.recent.add(hash, e)
		return e
	}
	own := &userEntry{owner: d.e, id: id, owns: true}
	if e != nil {
		*own = *e
		own.owner, own.owns = d.e, false
		own.places = slices.Clone(e.places)
		for i := range own.places { // whoever appends gets a list of its own
			in := &own.places[i]
			in.topics, in.subs = slices.Clip(in.topics), slices.Clip(in.subs)
		}
		d.count(e, -1)
	} else {
		own.user = &directory.User{ID: id}
	}
	d.users = append(d.users, own)
	d.recent.add(hash, own)
	is := func(x *userEntry) bool { return x.id == id }
	d.s.ids.Put(d.e, hash, own, is)
	if own.named {
		d.s.names.Put(d.e, hashName(own.user.Name), own, is)
	}
	for i := range own.user.Keys {
		d.s.digests.Put(d.e, hashDigest(&own.user.Keys[i].Digest), own, is)
	}
	return own
}

func (d *draft) count(e *userEntry, n int) {
	if e.named {
		d.s.size.Users += n
		d.s.size.Keys += n * len(e.user.Keys)
	}
}

func (d *draft) project(id uuid.UUID) *projectEntry {
	p := d.s.project(id)
	if p != nil && p.owner == d.e {
		return p
	}
	own := &projectEntry{owner: d.e, id: id, project: directory.Project{ID: id}}
	if p != nil {
		*own = *p
		own.owner, own.was = d.e, p
		own.members = slices.Clone(p.members)
		own.topics, own.subs = slices.Clone(p.topics), slices.Clone(p.subs)
	}
	d.projects = append(d.projects, own)
	d.s.projects.Put(d.e, hashID(&id), own, func(x *projectEntry) bool { return x.id == id })
	if own.named {
		d.s.called.Put(d.e, hashName(own.project.Name), own, func(x *projectEntry) bool { return x.id == id })
	}
	return own
}

// take is apply for what records yield.
func (d *draft) take(k directory.EntryKey, v directory.Value) bool {
	d.apply(&directory.Entry{Key: k, Value: v})
	return true
}

// apply takes one entry. The value belongs to the draft from then on.
func (d *draft) apply(entry *directory.Entry) {
	d.turns.Step()
	d.note(entry)
	d.s.latest = max(d.s.latest, entry.Revision)
	k := entry.Key
	delete(d.s.waiting, k)
	delete(d.refused, k)
	switch k.Kind {
	case directory.KindUser:
		v, _ := entry.Value.(*directory.User)
		d.applyUser(entry, v)
	case directory.KindKey:
		v, _ := entry.Value.(*directory.Key)
		d.applyKey(entry, v)
	case directory.KindProject:
		v, _ := entry.Value.(*directory.Project)
		d.applyProject(entry, v)
	case directory.KindMember:
		v, _ := entry.Value.(*directory.Member)
		d.applyMember(k, v, entry.Revision)
	case directory.KindTopic:
		v, _ := entry.Value.(*directory.Topic)
		p := d.project(k.Project)
		if r := change(d.e, &p.topics, k.Name); v == nil {
			r.there, r.view, r.subject = false, directory.Topic{}, ""
		} else {
			r.there, r.view, r.subject = true, *v, v.Subject
			r.view.Name, r.view.Revision, r.view.ACL = k.Name, entry.Revision, nil
		}
		dropEmpty(&p.topics, k.Name)
	case directory.KindSubscription:
		v, _ := entry.Value.(*directory.Subscription)
		p := d.project(k.Project)
		if r := change(d.e, &p.subs, k.Name); v == nil {
			r.there, r.view = false, directory.Subscription{}
		} else {
			r.there, r.view = true, *v
			r.view.Name, r.view.Revision, r.view.ACL = k.Name, entry.Revision, nil
		}
		dropEmpty(&p.subs, k.Name)
	case directory.KindTopicACL:
		v, _ := entry.Value.(*directory.ACL)
		setACL(d.e, &d.project(k.Project).topics, k.Name, v, entry.Revision)
	case directory.KindSubscriptionACL:
		v, _ := entry.Value.(*directory.ACL)
		setACL(d.e, &d.project(k.Project).subs, k.Name, v, entry.Revision)
	}
}

func setACL[T any](e *hashtable.Owner, list *[]*resource[T], name string, v *directory.ACL, revision uint64) {
	r := change(e, list, name)
	if v == nil {
		r.acl, r.revision = nil, 0
		dropEmpty(list, name)
		return
	}
	r.acl, r.revision = v.Users, revision
	if r.acl == nil {
		r.acl = []uuid.UUID{}
	}
}

// applyUser takes the entry of a user. One whose name is another's waits, as if
// there were none.
func (d *draft) applyUser(entry *directory.Entry, v *directory.User) {
	e := d.user(entry.Key.User)
	is := func(x *userEntry) bool { return x.id == e.id }
	if e.named && (v == nil || v.Name != e.user.Name) {
		d.s.names.Remove(d.e, hashName(e.user.Name), is)
		e.named, d.freed = false, true
	}
	u := e.own()
	keys := u.Keys
	if v != nil && !e.named && !d.claimName(e, v.Name) {
		d.wait(entry)
		v = nil
	}
	if v == nil {
		e.there, *u = false, directory.User{ID: e.id, Keys: keys}
		return
	}
	e.there, e.named, *u = true, true, *v
	u.ID, u.Keys, u.Revision = e.id, keys, entry.Revision
	u.ServiceRoles = d.service.one(v.ServiceRoles)
	u.Limits.ConnectionTypes = d.types.one(v.Limits.ConnectionTypes)
}

// applyKey takes the entry of a key. One with the digest of another key waits.
func (d *draft) applyKey(entry *directory.Entry, v *directory.Key) {
	e := d.user(entry.Key.User)
	u := e.own()
	is := func(x *userEntry) bool { return x.id == e.id }
	at, found := slices.BinarySearchFunc(u.Keys, entry.Key.Name, func(k directory.Key, id string) int { return strings.Compare(k.ID, id) })
	if found && (v == nil || v.Digest != u.Keys[at].Digest) {
		old := u.Keys[at].Digest
		u.Keys = slices.Delete(u.Keys, at, at+1)
		d.s.digests.Remove(d.e, hashDigest(&old), is)
		found, d.freed = false, true
	}
	if v == nil {
		return
	}
	own := *v
	own.ID, own.Revision = entry.Key.Name, entry.Revision
	if found {
		u.Keys[at] = own
		return
	}
	if !d.claimDigest(e, &own) {
		d.wait(entry)
		return
	}
	at, _ = slices.BinarySearchFunc(u.Keys, own.ID, func(k directory.Key, id string) int { return strings.Compare(k.ID, id) })
	u.Keys = slices.Insert(u.Keys, at, own)
}

// applyProject takes the entry of a project. One whose name is another's waits,
// as if there were none.
func (d *draft) applyProject(entry *directory.Entry, v *directory.Project) {
	p := d.project(entry.Key.Project)
	if p.named && (v == nil || v.Name != p.project.Name) {
		d.s.called.Remove(d.e, hashName(p.project.Name), func(x *projectEntry) bool { return x.id == p.id })
		p.named, d.freed = false, true
	}
	if v != nil && !p.named && !d.claimProject(p, v.Name) {
		d.wait(entry)
		v = nil
	}
	if v == nil {
		p.there, p.project = false, directory.Project{ID: p.id}
		return
	}
	p.there, p.named, p.project = true, true, *v
	p.project.ID, p.project.Revision = p.id, entry.Revision
	p.project.Members, p.project.Topics, p.project.Subscriptions = nil, nil, nil
}

func (d *draft) applyMember(k directory.EntryKey, v *directory.Member, revision uint64) {
	e, p := d.user(k.User), d.project(k.Project)
	in := e.in(k.Project)
	was := in.roles != nil
	if v == nil {
		in.roles, in.revision = nil, 0
		e.tidy(k.Project)
		if was {
			p.left = append(p.left, k.User)
		}
		return
	}
	in.roles, in.revision = d.roles.pointer(v.Roles), revision
	if !was {
		p.joined = append(p.joined, k.User)
	}
}

func compareIDs(x, y uuid.UUID) int { return bytes.Compare(x[:], y[:]) }
