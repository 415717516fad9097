package snapshot

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/hashtable"
	"usher/directory/intern"
	"usher/directory/yield"
)

// draft is a snapshot in the making. It accepts entries in any order and with any
// content. Entries that contradict others stay invisible to requests.
type draft struct {
	owner        *hashtable.Owner
	before, next *Snapshot
	users        []*userEntry // changed in this draft
	projects     []*projectEntry
	recent       recentUsers

	dryRun    bool                        // a change is checked: it takes no name or digest from another entry
	released  bool                        // a name or a digest has become available
	conflicts map[directory.EntryKey]bool // entries of this draft whose name or digest another entry has

	affectedProjects []uuid.UUID        // projects that changed because others did
	banned           []uuid.UUID        // users whose bans have changed
	problems         directory.Problems // conflicts over names and digests
	blocked          directory.Problems // topics that cannot have their subject

	roles           intern.Lists[directory.Role]
	serviceRoles    intern.Lists[directory.ServiceRole]
	connectionTypes intern.Lists[directory.ConnectionType]

	ownsUnreadable bool // next.unreadable is a copy of the draft's own
	ownsBans       bool // next.bans is
	yielder        yield.Counter
}

func newDraft(s *Snapshot) *draft {
	next := *s
	next.accounts, next.conflicting = maps.Clone(s.accounts), maps.Clone(s.conflicting)
	if next.accounts == nil {
		next.accounts = map[string]directory.AccountUse{}
	}
	return &draft{owner: &hashtable.Owner{}, before: s, next: &next, recent: make(recentUsers, 1)}
}

// newFullDraft returns a draft for a whole directory.
func newFullDraft() *draft {
	d := newDraft(Empty())
	d.recent = make(recentUsers, fullDraftCacheSize)
	return d
}

// user returns a user, which the draft may change. It adds the user if there is none.
func (d *draft) user(id uuid.UUID) *userEntry {
	hash := hashID(&id)
	if e := d.recent.find(hash, id); e != nil {
		return e
	}
	e := d.next.user(id)
	if e != nil && e.owner == d.owner {
		d.recent.add(hash, e)
		return e
	}
	own := &userEntry{owner: d.owner, id: id, ownsUser: true}
	if e != nil {
		*own = *e
		own.owner, own.ownsUser = d.owner, false
		own.access = slices.Clone(e.access)
		for i := range own.access { // so that append copies the lists
			a := &own.access[i]
			a.topics, a.subs = slices.Clip(a.topics), slices.Clip(a.subs)
		}
		d.countUser(e, -1)
	} else {
		own.user = &directory.User{ID: id}
	}
	d.users = append(d.users, own)
	d.recent.add(hash, own)
	match := func(x *userEntry) bool { return x.id == id }
	d.next.usersByID.Put(d.owner, hash, own, match)
	if own.hasName {
		d.next.usersByName.Put(d.owner, hashName(own.user.Name), own, match)
	}
	for i := range own.user.Keys {
		d.next.usersByDigest.Put(d.owner, hashDigest(&own.user.Keys[i].Digest), own, match)
	}
	return own
}

// countUser adds a user n times to the size of the snapshot.
func (d *draft) countUser(e *userEntry, n int) {
	if e.hasName {
		d.next.size.Users += n
		d.next.size.Keys += n * len(e.user.Keys)
	}
}

// project returns a project, which the draft may change. It adds the project if there is
// none.
func (d *draft) project(id uuid.UUID) *projectEntry {
	p := d.next.project(id)
	if p != nil && p.owner == d.owner {
		return p
	}
	own := &projectEntry{owner: d.owner, id: id, project: directory.Project{ID: id}}
	if p != nil {
		*own = *p
		own.owner, own.before = d.owner, p
		own.members = slices.Clone(p.members)
		own.topics, own.subs = slices.Clone(p.topics), slices.Clone(p.subs)
	}
	d.projects = append(d.projects, own)
	match := func(x *projectEntry) bool { return x.id == id }
	d.next.projectsByID.Put(d.owner, hashID(&id), own, match)
	if own.hasName {
		d.next.projectsByName.Put(d.owner, hashName(own.project.Name), own, match)
	}
	return own
}

// applyValue is apply for the entries of records, which have no revision.
func (d *draft) applyValue(k directory.EntryKey, v directory.Value) bool {
	d.apply(&directory.Entry{Key: k, Value: v})
	return true
}

// apply applies one entry. The value belongs to the draft from then on.
func (d *draft) apply(entry *directory.Entry) {
	d.yielder.Step()
	d.trackUnreadable(entry)
	d.next.latest = max(d.next.latest, entry.Revision)
	k := entry.Key
	delete(d.next.conflicting, k)
	delete(d.conflicts, k)
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
		d.applyTopic(k, v, entry.Revision)
	case directory.KindSubscription:
		v, _ := entry.Value.(*directory.Subscription)
		d.applySubscription(k, v, entry.Revision)
	case directory.KindTopicACL:
		v, _ := entry.Value.(*directory.ACL)
		applyACL(d.owner, &d.project(k.Project).topics, k.Name, v, entry.Revision)
	case directory.KindSubscriptionACL:
		v, _ := entry.Value.(*directory.ACL)
		applyACL(d.owner, &d.project(k.Project).subs, k.Name, v, entry.Revision)
	case directory.KindBan:
		v, _ := entry.Value.(*directory.Ban)
		d.applyBan(k, v, entry.Revision)
	}
}

// applyUser applies the entry of a user. If another user has the name, the entry is kept
// as conflicting, and the user does not exist.
func (d *draft) applyUser(entry *directory.Entry, v *directory.User) {
	e := d.user(entry.Key.User)
	if e.hasName && (v == nil || v.Name != e.user.Name) {
		d.next.usersByName.Remove(d.owner, hashName(e.user.Name), func(x *userEntry) bool { return x.id == e.id })
		e.hasName, d.released = false, true
	}
	u := e.mutableUser()
	keys := u.Keys
	if v != nil && !e.hasName && !d.claimName(e, v.Name) {
		d.addConflict(entry)
		v = nil
	}
	if v == nil {
		e.exists, *u = false, directory.User{ID: e.id, Keys: keys}
		return
	}
	e.exists, e.hasName, *u = true, true, *v
	u.ID, u.Keys, u.Revision = e.id, keys, entry.Revision
	u.ServiceRoles = d.serviceRoles.List(v.ServiceRoles)
	u.Limits.ConnectionTypes = d.connectionTypes.List(v.Limits.ConnectionTypes)
}

// applyKey applies the entry of a key. If another key has the digest, the entry is kept
// as conflicting.
func (d *draft) applyKey(entry *directory.Entry, v *directory.Key) {
	e := d.user(entry.Key.User)
	u := e.mutableUser()
	i, found := findKey(u.Keys, entry.Key.Name)
	if found && (v == nil || v.Digest != u.Keys[i].Digest) {
		old := u.Keys[i].Digest
		u.Keys = slices.Delete(u.Keys, i, i+1)
		d.next.usersByDigest.Remove(d.owner, hashDigest(&old), func(x *userEntry) bool { return x.id == e.id })
		found, d.released = false, true
	}
	if v == nil {
		return
	}
	own := *v
	own.ID, own.Revision = entry.Key.Name, entry.Revision
	if found {
		u.Keys[i] = own
		return
	}
	if !d.claimDigest(e, &own) {
		d.addConflict(entry)
		return
	}
	i, _ = findKey(u.Keys, own.ID)
	u.Keys = slices.Insert(u.Keys, i, own)
}

func findKey(keys []directory.Key, id string) (i int, found bool) {
	return slices.BinarySearchFunc(keys, id, func(k directory.Key, id string) int { return strings.Compare(k.ID, id) })
}

// applyProject applies the entry of a project. If another project has the name, the
// entry is kept as conflicting, and the project does not exist.
func (d *draft) applyProject(entry *directory.Entry, v *directory.Project) {
	p := d.project(entry.Key.Project)
	if p.hasName && (v == nil || v.Name != p.project.Name) {
		d.next.projectsByName.Remove(d.owner, hashName(p.project.Name), func(x *projectEntry) bool { return x.id == p.id })
		p.hasName, d.released = false, true
	}
	if v != nil && !p.hasName && !d.claimProject(p, v.Name) {
		d.addConflict(entry)
		v = nil
	}
	if v == nil {
		p.exists, p.project = false, directory.Project{ID: p.id}
		return
	}
	p.exists, p.hasName, p.project = true, true, *v
	p.project.ID, p.project.Revision = p.id, entry.Revision
	p.project.Members, p.project.Topics, p.project.Subscriptions = nil, nil, nil
}

func (d *draft) applyMember(k directory.EntryKey, v *directory.Member, revision uint64) {
	e, p := d.user(k.User), d.project(k.Project)
	a := e.mutableAccess(k.Project)
	wasMember := a.roles != nil
	if v == nil {
		a.roles, a.revision = nil, 0
		e.removeEmptyAccess(k.Project)
		if wasMember {
			p.left = append(p.left, k.User)
		}
		return
	}
	a.roles, a.revision = d.roles.Pointer(v.Roles), revision
	if !wasMember {
		p.joined = append(p.joined, k.User)
	}
}

func (d *draft) applyTopic(k directory.EntryKey, v *directory.Topic, revision uint64) {
	p := d.project(k.Project)
	if r := mutable(d.owner, &p.topics, k.Name); v == nil {
		r.exists, r.view, r.statedSubject = false, directory.Topic{}, ""
	} else {
		r.exists, r.view, r.statedSubject = true, *v, v.Subject
		r.view.Name, r.view.Revision, r.view.ACL = k.Name, revision, nil
	}
	removeEmpty(&p.topics, k.Name)
}

func (d *draft) applySubscription(k directory.EntryKey, v *directory.Subscription, revision uint64) {
	p := d.project(k.Project)
	if r := mutable(d.owner, &p.subs, k.Name); v == nil {
		r.exists, r.view = false, directory.Subscription{}
	} else {
		r.exists, r.view = true, *v
		r.view.Name, r.view.Revision, r.view.ACL = k.Name, revision, nil
	}
	removeEmpty(&p.subs, k.Name)
}

func applyACL[T any](o *hashtable.Owner, list *[]*resource[T], name string, v *directory.ACL, revision uint64) {
	r := mutable(o, list, name)
	if v == nil {
		r.acl, r.aclRevision = nil, 0
		removeEmpty(list, name)
		return
	}
	r.acl, r.aclRevision = v.Users, revision
	if r.acl == nil {
		r.acl = []uuid.UUID{}
	}
}

func compareIDs(x, y uuid.UUID) int { return bytes.Compare(x[:], y[:]) }
