package snapshot

import (
	"slices"
	"strings"
	"usher/directory"

	"github.com/google/uuid"
)

// commit makes the draft a snapshot. It may not be used afterwards.
func (d *draft) commit() *Snapshot {
	d.retry()
	d.settleAll(d.projects)
	d.settleAll(d.unsettled())
	for _, p := range d.projects {
		d.claimSubjects(p)
		d.finish(p)
	}
	for _, p := range d.projects {
		p.was = nil
		if p.nothing() {
			d.s.projects.Remove(d.e, hashID(&p.id), func(x *projectEntry) bool { return x.id == p.id })
		}
	}
	for _, e := range d.users {
		d.turns.Step()
		if !e.there && len(e.user.Keys) == 0 && len(e.places) == 0 {
			d.s.ids.Remove(d.e, hashID(&e.id), func(x *userEntry) bool { return x.id == e.id })
			continue
		}
		d.count(e, 1)
	}
	return d.s
}

// touch makes projects part of the draft because others have changed, and returns
// those that were not.
func (d *draft) touch(ids []uuid.UUID) []*projectEntry {
	known := len(d.projects)
	for _, id := range ids {
		if d.s.project(id) != nil {
			d.project(id)
		}
	}
	return d.projects[known:]
}

// settleAll brings up to date what follows from projects themselves, and counts
// them in their accounts.
func (d *draft) settleAll(projects []*projectEntry) {
	for _, p := range projects {
		d.settleMembers(p)
		for _, t := range p.topics {
			want := t.subject
			if want == "" {
				want = p.project.Name + "." + t.name
			}
			if t.there && (t.view.Subject != want || t.view.ACLRevision != t.revision) {
				t = change(d.e, &p.topics, t.name)
				t.view.Subject, t.view.ACLRevision = want, t.revision
			}
		}
		for _, s := range p.subs {
			if s.there && s.view.ACLRevision != s.revision {
				s = change(d.e, &p.subs, s.name)
				s.view.ACLRevision = s.revision
			}
		}
		if p.was != nil {
			d.inAccount(p.was, -1)
		}
		d.inAccount(p, 1)
	}
}

// fewMembers is how many are put where they belong one at a time.
const fewMembers = 16

func (d *draft) settleMembers(p *projectEntry) {
	if len(p.joined) > fewMembers {
		p.members = append(p.members, p.joined...)
		slices.SortFunc(p.members, compareIDs)
		p.members = slices.Compact(p.members)
	} else {
		for _, id := range p.joined {
			if at, ok := slices.BinarySearchFunc(p.members, id, compareIDs); !ok {
				p.members = slices.Insert(p.members, at, id)
			}
		}
	}
	left := make(map[uuid.UUID]bool, len(p.left))
	for _, id := range p.left { // and has not come back
		e := d.s.user(id)
		left[id] = e == nil || !e.isMember(p.id)
	}
	if len(left) > 0 {
		p.members = slices.DeleteFunc(p.members, func(id uuid.UUID) bool { return left[id] })
	}
	p.joined, p.left = nil, nil
}

// finish brings up to date what users have of a project, and what is counted.
func (d *draft) finish(p *projectEntry) {
	for _, s := range p.subs {
		if _, ok := viewOf(p.topics, s.view.Topic); s.there && s.blocked == ok {
			change(d.e, &p.subs, s.name).blocked = !ok
		}
	}
	was := p.was
	if was == nil {
		was = &projectEntry{}
	}
	grant(d, p.id, was.topics, p.topics, func(in *place) (*[]*directory.Topic, *uint32) { return &in.topics, &in.lengths.topics }, func(t *directory.Topic) string { return t.Name }, topicLength)
	grant(d, p.id, was.subs, p.subs, func(in *place) (*[]*directory.Subscription, *uint32) { return &in.subs, &in.lengths.subs }, func(s *directory.Subscription) string { return s.Name }, subLength)
	p.project.Topics, p.project.Subscriptions = views(p.topics), views(p.subs)
	p.outside = outsideOf(p)
	d.countProject(was, -1)
	d.countProject(p, 1)
}

func (d *draft) countProject(p *projectEntry, n int) {
	if p.named {
		d.s.size.Projects += n
		d.s.size.Topics += n * len(p.project.Topics)
		d.s.size.Subscriptions += n * len(p.project.Subscriptions)
	}
}

// nothing reports whether nothing is said of the project any more.
func (p *projectEntry) nothing() bool {
	return !p.there && len(p.members) == 0 && len(p.topics) == 0 && len(p.subs) == 0
}

func views[T any](list []*resource[T]) []T {
	var all []T
	for _, r := range list {
		if r.shown() {
			if all == nil {
				all = make([]T, 0, len(list))
			}
			all = append(all, r.view)
		}
	}
	return all
}

// grant gives and takes what the difference of two lists of resources says. Both
// are sorted by name.
func grant[T any](d *draft, project uuid.UUID, was, now []*resource[T], list func(*place) (*[]*T, *uint32), name func(*T) string, length func(*T) uint32) {
	for len(was) > 0 || len(now) > 0 {
		var old, next *resource[T]
		switch {
		case len(was) == 0 || len(now) > 0 && now[0].name < was[0].name:
			next, now = now[0], now[1:]
		case len(now) == 0 || was[0].name < now[0].name:
			old, was = was[0], was[1:]
		default:
			old, next, was, now = was[0], now[0], was[1:], now[1:]
		}
		if old == next {
			continue
		}
		if old != nil && old.shown() {
			for _, id := range old.without(next) {
				e := d.user(id)
				in := e.in(project)
				all, long := list(in)
				*all = slices.DeleteFunc(slices.Clone(*all), func(x *T) bool {
					gone := name(x) == old.name
					if gone {
						*long -= length(x)
					}
					return gone
				})
				e.tidy(project)
			}
		}
		if next != nil && next.shown() {
			for _, id := range next.acl {
				d.turns.Step()
				all, long := list(d.user(id).in(project))
				if before := give(all, &next.view, next.name, name); before != nil {
					*long -= length(before)
				}
				*long += length(&next.view)
			}
		}
	}
}

// without returns those in the ACL who are not in that of another version.
func (r *resource[T]) without(next *resource[T]) []uuid.UUID {
	if next == nil || !next.shown() {
		return r.acl
	}
	stay := make(map[uuid.UUID]bool, len(next.acl))
	for _, id := range next.acl {
		stay[id] = true
	}
	var gone []uuid.UUID
	for _, id := range r.acl {
		if !stay[id] {
			gone = append(gone, id)
		}
	}
	return gone
}

// shortList is how long a list is that has no room for more: most are, of very many.
const shortList = 8

// give puts a resource into a list that is sorted by name. Others may read the
// list; they have left no room in it, so that inserting makes another. It returns
// what was in its place; nil: nothing was.
func give[T any](list *[]*T, view *T, called string, name func(*T) string) (before *T) {
	at, found := slices.BinarySearchFunc(*list, called, func(x *T, called string) int { return strings.Compare(name(x), called) })
	if found {
		*list = slices.Clone(*list)
		before, (*list)[at] = (*list)[at], view
		return before
	}
	if n := len(*list); n < shortList {
		*list = append(make([]*T, 0, n+1), *list...)
	}
	*list = slices.Insert(*list, at, view)
	return nil
}
