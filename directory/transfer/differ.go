package transfer

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// differ finds the entries that change, and in which step of a plan.
type differ struct {
	current  *snapshot.Snapshot
	from, to namer
	counts   Counts

	leaves  []directory.Entry // ACLs without those who leave; then members who leave
	users   []unit            // users with their keys
	parts   []unit            // projects with their topics and subscriptions
	members []directory.Entry // who come or get other roles
	acls    []directory.Entry // as they are in the end
}

// unit is what changes of one user or one project.
type unit struct {
	id      uuid.UUID
	gone    bool
	first   bool // it lets somebody manage the directory
	entries []directory.Entry
}

func put(k directory.EntryKey, v directory.Value) directory.Entry {
	return directory.Entry{Key: k, Value: v}
}

func gone(k directory.EntryKey) directory.Entry { return directory.Entry{Key: k} }

// count notes an entry that changes.
func (d *differ) count(k directory.Kind, before, after bool) {
	c := d.counts.of(k)
	switch {
	case !before:
		c.Added++
	case after:
		c.Changed++
	default:
		c.Removed++
	}
}

// user reports whether anything of a user changes.
func (d *differ) user(p *pair[directory.User], first func(*directory.User) bool) bool {
	u := unit{gone: p.now == nil}
	var before, after []directory.Key
	if p.was != nil {
		u.id, before = p.was.ID, p.was.Keys
	}
	if p.now != nil {
		u.id, after, u.first = p.now.ID, p.now.Keys, first(p.now)
	}
	for i := range before {
		k := &before[i]
		if !slices.ContainsFunc(after, func(x directory.Key) bool { return x.ID == k.ID }) {
			u.entries = append(u.entries, gone(directory.KeyKey(u.id, k.ID)))
			d.count(directory.KindKey, true, false)
		}
	}
	if u.gone {
		u.entries = append(u.entries, d.hidden(d.current.RemoveUser(u.id), directory.KindKey, u.entries)...)
	}
	if p.was == nil || p.now == nil || !sameUser(p.was, p.now) {
		e := gone(directory.UserKey(u.id))
		if p.now != nil {
			e.Value = p.now
		}
		u.entries = append(u.entries, e)
		d.count(directory.KindUser, p.was != nil, p.now != nil)
	}
	for i := range after {
		k := &after[i]
		j := slices.IndexFunc(before, func(x directory.Key) bool { return x.ID == k.ID })
		if j < 0 || !sameKey(&before[j], k) {
			u.entries = append(u.entries, put(directory.KeyKey(u.id, k.ID), k))
			d.count(directory.KindKey, j >= 0, true)
		}
	}
	if len(u.entries) > 0 {
		d.users = append(d.users, u)
	}
	return len(u.entries) > 0
}

// project reports whether anything of a project changes.
func (d *differ) project(p *pair[directory.Project]) bool {
	var none directory.Project
	was, now := p.was, p.now
	if was == nil {
		was = &none
	}
	u := unit{gone: now == nil}
	if now == nil {
		now, u.id = &none, was.ID
	} else {
		u.id = now.ID
	}
	leaves, members, acls := len(d.leaves), len(d.members), len(d.acls)
	stay := d.membersOf(u.id, was, now)
	if p.was != nil && p.now != nil && !sameProject(was, now) || p.was == nil {
		u.entries = append(u.entries, put(directory.ProjectKey(u.id), now))
		d.count(directory.KindProject, p.was != nil, true)
	}
	topicsGone := differResources(d, &u, was.Topics, now.Topics, topicParts, sameTopic, stay)
	subsGone := differResources(d, &u, was.Subscriptions, now.Subscriptions, subscriptionParts, sameSubscription, stay)
	u.entries = append(append(u.entries, subsGone...), topicsGone...)
	if p.now == nil {
		u.entries = append(u.entries, d.hidden(d.current.RemoveProject(u.id), "", slices.Concat(u.entries, d.leaves[leaves:]))...)
		u.entries = append(u.entries, gone(directory.ProjectKey(u.id)))
		d.count(directory.KindProject, true, false)
	}
	if len(u.entries) > 0 {
		d.parts = append(d.parts, u)
	}
	return len(u.entries) > 0 || len(d.leaves) > leaves || len(d.members) > members || len(d.acls) > acls
}

// hidden returns what a removal takes away that nobody sees, besides what is known
// to go: it would be back with somebody of the same id. An empty kind is any but
// that of projects.
func (*differ) hidden(removal []directory.Entry, kind directory.Kind, known []directory.Entry) []directory.Entry {
	seen := make(map[directory.EntryKey]bool, len(known))
	for i := range known {
		seen[known[i].Key] = true
	}
	return slices.DeleteFunc(removal, func(e directory.Entry) bool {
		other := kind != "" && e.Key.Kind != kind || kind == "" && e.Key.Kind == directory.KindProject
		return other || e.Value != nil || seen[e.Key]
	})
}

// membersOf notes which members of a project change, and returns who stays one.
func (d *differ) membersOf(project uuid.UUID, was, now *directory.Project) (stay map[uuid.UUID]bool) {
	before := make(map[uuid.UUID]*directory.Member, len(was.Members))
	for i := range was.Members {
		if id, ok := d.from(was.Members[i].User); ok {
			before[id] = &was.Members[i]
		}
	}
	stay = make(map[uuid.UUID]bool, len(before))
	for i := range now.Members {
		m := &now.Members[i]
		id, ok := d.to(m.User)
		if !ok {
			continue
		}
		old := before[id]
		if stay[id] = true; old != nil && sameSet(old.Roles, m.Roles) {
			continue
		}
		d.members = append(d.members, put(directory.MemberKey(project, id), m))
		d.count(directory.KindMember, old != nil, true)
	}
	for i := range was.Members {
		if id, ok := d.from(was.Members[i].User); ok && !stay[id] {
			d.leaves = append(d.leaves, gone(directory.MemberKey(project, id)))
			d.count(directory.KindMember, true, false)
		}
	}
	return stay
}

// differResources notes which topics or subscriptions of a project change, and
// returns what removes those that go. stay is who stays a member.
func differResources[T any](d *differ, u *unit, was, now []T, parts func(*T) resource, same func(x, y *T) bool, stay map[uuid.UUID]bool) (goes []directory.Entry) {
	before := make(map[string]*T, len(was))
	for i := range was {
		before[parts(&was[i]).name] = &was[i]
	}
	for i := range now {
		r := parts(&now[i])
		old := before[r.name]
		delete(before, r.name)
		if old == nil || !same(old, &now[i]) {
			u.entries = append(u.entries, put(directory.ResourceKey(r.kind, u.id, r.name), r.value))
			d.count(r.kind, old != nil, true)
		}
		var list []uuid.UUID
		if old != nil {
			list = ids(*parts(old).acl, d.from)
		}
		d.acl(directory.ResourceKey(r.aclKind, u.id, r.name), list, ids(*r.acl, d.to), stay)
	}
	for i := range was {
		r := parts(&was[i])
		if before[r.name] == nil {
			continue
		}
		d.count(r.kind, true, false)
		key := directory.ResourceKey(r.aclKind, u.id, r.name)
		if r.listed {
			goes = append(goes, gone(key))
		}
		goes = append(goes, gone(directory.ResourceKey(r.kind, u.id, r.name)))
		if len(*r.acl) > 0 {
			d.count(r.aclKind, true, false)
		}
		if slices.ContainsFunc(ids(*r.acl, d.from), func(id uuid.UUID) bool { return !stay[id] }) {
			d.leaves = append(d.leaves, put(key, &directory.ACL{Users: []uuid.UUID{}}))
		}
	}
	return goes
}

// acl notes that a list changes: first those who leave the project leave it, then
// it becomes what it is in the end.
func (d *differ) acl(key directory.EntryKey, was, now []uuid.UUID, stay map[uuid.UUID]bool) {
	if sameSet(was, now) {
		return
	}
	rest := make([]uuid.UUID, 0, len(was))
	for _, id := range was {
		if stay[id] {
			rest = append(rest, id)
		}
	}
	if len(rest) < len(was) {
		d.leaves = append(d.leaves, put(key, &directory.ACL{Users: rest}))
	}
	d.acls = append(d.acls, put(key, &directory.ACL{Users: now}))
	d.count(key.Kind, len(was) > 0, len(now) > 0)
}

func ids(names []string, of namer) []uuid.UUID {
	all := make([]uuid.UUID, 0, len(names))
	for _, name := range names {
		if id, ok := of(name); ok {
			all = append(all, id)
		}
	}
	return all
}

// all returns every entry that changes, as it is in the end.
func (d *differ) all() []directory.Entry {
	var all []directory.Entry
	for _, u := range slices.Concat(d.users, d.parts) {
		all = append(all, u.entries...)
	}
	for _, e := range d.leaves {
		if e.Value == nil {
			all = append(all, e)
		}
	}
	return append(append(all, d.members...), d.acls...)
}

// changed keeps those that change, by name.
func changed[T any](all []pair[T], name func(*T) string, changes func(*pair[T]) bool) []pair[T] {
	kept := slices.DeleteFunc(all, func(p pair[T]) bool { return !changes(&p) })
	slices.SortStableFunc(kept, func(x, y pair[T]) int { return strings.Compare(name(x.any()), name(y.any())) })
	return kept
}
