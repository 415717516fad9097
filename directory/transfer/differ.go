package transfer

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// differ finds the entries that change, by the step of the plan to which they belong.
type differ struct {
	current           *snapshot.Snapshot
	idBefore, idAfter idLookup
	counts            Counts

	leaving  []directory.Entry // ACLs without members who leave, and memberships that are removed
	users    []unit            // with their keys
	projects []unit            // with their topics and subscriptions
	members  []directory.Entry // who join, or whose roles change
	acls     []directory.Entry // in their final state
	bans     []directory.Entry
}

// unit is the changes of one user or project.
type unit struct {
	id       uuid.UUID
	removed  bool
	priority bool // it gives a user the right to manage the directory
	entries  []directory.Entry
}

func put(k directory.EntryKey, v directory.Value) directory.Entry {
	return directory.Entry{Key: k, Value: v}
}

func removal(k directory.EntryKey) directory.Entry { return directory.Entry{Key: k} }

// count counts an entry that changes.
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

// user adds the changes of a user. It reports whether there are any.
func (d *differ) user(p *pair[directory.User], priority func(*directory.User) bool) bool {
	u := unit{removed: p.after == nil}
	var before, after []directory.Key
	if p.before != nil {
		u.id, before = p.before.ID, p.before.Keys
	}
	if p.after != nil {
		u.id, after, u.priority = p.after.ID, p.after.Keys, priority(p.after)
	}
	for i := range before {
		k := &before[i]
		if !slices.ContainsFunc(after, func(x directory.Key) bool { return x.ID == k.ID }) {
			u.entries = append(u.entries, removal(directory.KeyKey(u.id, k.ID)))
			d.count(directory.KindKey, true, false)
		}
	}
	if u.removed {
		u.entries = append(u.entries, d.invisible(d.current.RemoveUser(u.id), directory.KindKey, u.entries)...)
	}
	if p.before == nil || p.after == nil || !sameUser(p.before, p.after) {
		e := removal(directory.UserKey(u.id))
		if p.after != nil {
			e.Value = p.after
		}
		u.entries = append(u.entries, e)
		d.count(directory.KindUser, p.before != nil, p.after != nil)
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

// project adds the changes of a project. It reports whether there are any.
func (d *differ) project(p *pair[directory.Project]) bool {
	var none directory.Project
	was, now := p.before, p.after
	if was == nil {
		was = &none
	}
	u := unit{removed: now == nil}
	if now == nil {
		now, u.id = &none, was.ID
	} else {
		u.id = now.ID
	}
	leaves, members, acls := len(d.leaving), len(d.members), len(d.acls)
	stay := d.membersOf(u.id, was, now)
	if p.before != nil && p.after != nil && !sameProject(was, now) || p.before == nil {
		u.entries = append(u.entries, put(directory.ProjectKey(u.id), now))
		d.count(directory.KindProject, p.before != nil, true)
	}
	topicRemovals := differResources(d, &u, was.Topics, now.Topics, topicResource, sameTopic, stay)
	subscriptionRemovals := differResources(d, &u, was.Subscriptions, now.Subscriptions, subscriptionResource, sameSubscription, stay)
	u.entries = append(append(u.entries, subscriptionRemovals...), topicRemovals...)
	if p.after == nil {
		u.entries = append(u.entries, d.invisible(d.current.RemoveProject(u.id), "", slices.Concat(u.entries, d.leaving[leaves:]))...)
		u.entries = append(u.entries, removal(directory.ProjectKey(u.id)))
		d.count(directory.KindProject, true, false)
	}
	if len(u.entries) > 0 {
		d.projects = append(d.projects, u)
	}
	return len(u.entries) > 0 || len(d.leaving) > leaves || len(d.members) > members || len(d.acls) > acls
}

// invisible returns the invisible entries that a removal removes, without the known
// ones. They would be visible again with a new user or project of the same id. An empty
// kind stands for all kinds except projects.
func (*differ) invisible(removal []directory.Entry, kind directory.Kind, known []directory.Entry) []directory.Entry {
	seen := make(map[directory.EntryKey]bool, len(known))
	for i := range known {
		seen[known[i].Key] = true
	}
	return slices.DeleteFunc(removal, func(e directory.Entry) bool {
		other := kind != "" && e.Key.Kind != kind || kind == "" && e.Key.Kind == directory.KindProject
		return other || e.Value != nil || seen[e.Key]
	})
}

// membersOf adds the members of a project that change, and returns those who stay.
func (d *differ) membersOf(project uuid.UUID, was, now *directory.Project) (stay map[uuid.UUID]bool) {
	before := make(map[uuid.UUID]*directory.Member, len(was.Members))
	for i := range was.Members {
		if id, ok := d.idBefore(was.Members[i].User); ok {
			before[id] = &was.Members[i]
		}
	}
	stay = make(map[uuid.UUID]bool, len(before))
	for i := range now.Members {
		m := &now.Members[i]
		id, ok := d.idAfter(m.User)
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
		if id, ok := d.idBefore(was.Members[i].User); ok && !stay[id] {
			d.leaving = append(d.leaving, removal(directory.MemberKey(project, id)))
			d.count(directory.KindMember, true, false)
		}
	}
	return stay
}

// differResources adds the topics or subscriptions of a project that change, and returns
// the removals. stay are the members who stay.
func differResources[T any](d *differ, u *unit, was, now []T, parts func(*T) resource, same func(x, y *T) bool, stay map[uuid.UUID]bool) (removals []directory.Entry) {
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
			list = ids(*parts(old).acl, d.idBefore)
		}
		d.acl(directory.ResourceKey(r.aclKind, u.id, r.name), list, ids(*r.acl, d.idAfter), stay)
	}
	for i := range was {
		r := parts(&was[i])
		if before[r.name] == nil {
			continue
		}
		d.count(r.kind, true, false)
		key := directory.ResourceKey(r.aclKind, u.id, r.name)
		if r.hasACL {
			removals = append(removals, removal(key))
		}
		removals = append(removals, removal(directory.ResourceKey(r.kind, u.id, r.name)))
		if len(*r.acl) > 0 {
			d.count(r.aclKind, true, false)
		}
		if slices.ContainsFunc(ids(*r.acl, d.idBefore), func(id uuid.UUID) bool { return !stay[id] }) {
			d.leaving = append(d.leaving, put(key, &directory.ACL{Users: []uuid.UUID{}}))
		}
	}
	return removals
}

// acl adds the changes of an ACL: first without the members who leave the project, then
// in its final state.
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
		d.leaving = append(d.leaving, put(key, &directory.ACL{Users: rest}))
	}
	d.acls = append(d.acls, put(key, &directory.ACL{Users: now}))
	d.count(key.Kind, len(was) > 0, len(now) > 0)
}

func ids(names []string, of idLookup) []uuid.UUID {
	all := make([]uuid.UUID, 0, len(names))
	for _, name := range names {
		if id, ok := of(name); ok {
			all = append(all, id)
		}
	}
	return all
}

// entries returns every entry that changes, in its final state.
func (d *differ) entries() []directory.Entry {
	var all []directory.Entry
	for _, u := range slices.Concat(d.users, d.projects) {
		all = append(all, u.entries...)
	}
	for _, e := range d.leaving {
		if e.Value == nil {
			all = append(all, e)
		}
	}
	return slices.Concat(all, d.members, d.acls, d.bans)
}

// changed returns the pairs that change, sorted by name.
func changed[T any](all []pair[T], name func(*T) string, isChanged func(*pair[T]) bool) []pair[T] {
	kept := slices.DeleteFunc(all, func(p pair[T]) bool { return !isChanged(&p) })
	slices.SortStableFunc(kept, func(x, y pair[T]) int { return strings.Compare(name(x.either()), name(y.either())) })
	return kept
}
