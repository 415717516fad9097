package snapshot

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
)

// updateAccess updates the access that users have to a project, and what is counted.
func (d *draft) updateAccess(p *projectEntry) {
	for _, s := range p.subs {
		if _, ok := viewOf(p.topics, s.view.Topic); s.exists && s.blocked == ok {
			mutable(d.owner, &p.subs, s.name).blocked = !ok
		}
	}
	before := p.before
	if before == nil {
		before = &projectEntry{}
	}
	updateResources(d, p.id, before.topics, p.topics, topicAccess())
	updateResources(d, p.id, before.subs, p.subs, subscriptionAccess())
	p.project.Topics, p.project.Subscriptions = views(p.topics), views(p.subs)
	p.outside = outsideLengths(p)
	d.countProject(before, -1)
	d.countProject(p, 1)
}

// resourceAccess says where a user's access has resources of type T.
type resourceAccess[T any] struct {
	list   func(*projectAccess) (list *[]*T, length *uint32)
	name   func(*T) string
	length func(*T) uint32
}

func topicAccess() resourceAccess[directory.Topic] {
	return resourceAccess[directory.Topic]{
		list:   func(a *projectAccess) (*[]*directory.Topic, *uint32) { return &a.topics, &a.lengths.topics },
		name:   func(t *directory.Topic) string { return t.Name },
		length: (*directory.Topic).Length,
	}
}

func subscriptionAccess() resourceAccess[directory.Subscription] {
	return resourceAccess[directory.Subscription]{
		list:   func(a *projectAccess) (*[]*directory.Subscription, *uint32) { return &a.subs, &a.lengths.subs },
		name:   func(s *directory.Subscription) string { return s.Name },
		length: (*directory.Subscription).Length,
	}
}

// updateResources updates the users' access from the difference of two lists of
// resources, which are sorted by name.
func updateResources[T any](d *draft, project uuid.UUID, before, now []*resource[T], access resourceAccess[T]) {
	for len(before) > 0 || len(now) > 0 {
		var old, next *resource[T]
		switch {
		case len(before) == 0 || len(now) > 0 && now[0].name < before[0].name:
			next, now = now[0], now[1:]
		case len(now) == 0 || before[0].name < now[0].name:
			old, before = before[0], before[1:]
		default:
			old, next, before, now = before[0], now[0], before[1:], now[1:]
		}
		if old == next {
			continue
		}
		if old != nil && old.visible() {
			removeAccess(d, project, old, next, access)
		}
		if next != nil && next.visible() {
			addAccess(d, project, next, access)
		}
	}
}

// removeAccess removes a resource from the access of users that its ACL does not name
// any more.
func removeAccess[T any](d *draft, project uuid.UUID, old, next *resource[T], access resourceAccess[T]) {
	for _, id := range old.removedUsers(next) {
		e := d.user(id)
		list, length := access.list(e.mutableAccess(project))
		*list = slices.DeleteFunc(slices.Clone(*list), func(x *T) bool {
			match := access.name(x) == old.name
			if match {
				*length -= access.length(x)
			}
			return match
		})
		e.removeEmptyAccess(project)
	}
}

// addAccess adds a resource to the access of the users that its ACL names.
func addAccess[T any](d *draft, project uuid.UUID, next *resource[T], access resourceAccess[T]) {
	for _, id := range next.acl {
		d.yielder.Step()
		list, length := access.list(d.user(id).mutableAccess(project))
		if replaced := putView(list, &next.view, next.name, access.name); replaced != nil {
			*length -= access.length(replaced)
		}
		*length += access.length(&next.view)
	}
}

// removedUsers returns the users whom the ACL names and that of the next version does
// not.
func (r *resource[T]) removedUsers(next *resource[T]) []uuid.UUID {
	if next == nil || !next.visible() {
		return r.acl
	}
	remaining := make(map[uuid.UUID]bool, len(next.acl))
	for _, id := range next.acl {
		remaining[id] = true
	}
	var removed []uuid.UUID
	for _, id := range r.acl {
		if !remaining[id] {
			removed = append(removed, id)
		}
	}
	return removed
}

func views[T any](list []*resource[T]) []T {
	var all []T
	for _, r := range list {
		if r.visible() {
			if all == nil {
				all = make([]T, 0, len(list))
			}
			all = append(all, r.view)
		}
	}
	return all
}

// exactCapacity is the length up to which a list grows by one. Most lists are short, and
// there are millions of them.
const exactCapacity = 8

// putView puts a resource into a list that is sorted by name, and returns the one that
// it replaces; nil: none. Older snapshots may share the list. It has no spare capacity
// then, so that inserting copies it.
func putView[T any](list *[]*T, view *T, name string, nameOf func(*T) string) (replaced *T) {
	i, found := slices.BinarySearchFunc(*list, name, func(x *T, name string) int { return strings.Compare(nameOf(x), name) })
	if found {
		*list = slices.Clone(*list)
		replaced, (*list)[i] = (*list)[i], view
		return replaced
	}
	if n := len(*list); n < exactCapacity {
		*list = append(make([]*T, 0, n+1), *list...)
	}
	*list = slices.Insert(*list, i, view)
	return nil
}
