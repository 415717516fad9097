package directory

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/secret"
)

// commit makes the draft a snapshot. It may not be used afterwards.
func (d *draft) commit() *Snapshot {
	d.claim()
	for _, p := range d.projects {
		d.settle(p)
	}
	for _, p := range d.projects { // once all that went is gone
		d.subjects(p, 1)
		p.was = nil
		if p.nothing() {
			d.s.projects.remove(d.e, hashID(&p.id), func(x *projectEntry) bool { return x.id == p.id })
		}
	}
	for _, e := range d.users {
		d.turns.step()
		if !e.there && len(e.user.Keys) == 0 && len(e.places) == 0 {
			d.s.ids.remove(d.e, hashID(&e.id), func(x *userEntry) bool { return x.id == e.id })
			continue
		}
		if len(e.user.Keys) == 1 {
			e.key[0] = e.user.Keys[0]
			e.user.Keys = e.key[:]
		}
		d.count(e, 1)
	}
	return d.s
}

// settle brings what follows from a project up to date: the subjects of its
// topics, and what its ACLs give to whom.
func (d *draft) settle(p *projectEntry) {
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
	was := p.was
	if was == nil {
		was = &projectEntry{}
	}
	grant(d, p.id, was.topics, p.topics, func(in *place) *[]*Topic { return &in.topics }, func(t *Topic) string { return t.Name })
	grant(d, p.id, was.subs, p.subs, func(in *place) *[]*Subscription { return &in.subs }, func(s *Subscription) string { return s.Name })
	d.s.size.Topics -= tally(was, was.topics)
	d.s.size.Subscriptions -= tally(was, was.subs)
	if was.named {
		d.s.size.Projects--
	}
	if p.named {
		d.s.size.Projects++
	}
	d.s.size.Topics += tally(p, p.topics)
	d.s.size.Subscriptions += tally(p, p.subs)
	d.subjects(was, -1)
	p.project.Topics, p.project.Subscriptions = views(p.topics), views(p.subs)
}

// nothing reports whether nothing is said of the project any more.
func (p *projectEntry) nothing() bool {
	return !p.there && len(p.members) == 0 && len(p.topics) == 0 && len(p.subs) == 0
}

func tally[T any](p *projectEntry, list []*resource[T]) (n int) {
	if !p.named {
		return 0
	}
	for _, r := range list {
		if r.there {
			n++
		}
	}
	return n
}

func views[T any](list []*resource[T]) []T {
	var all []T
	for _, r := range list {
		if r.there {
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
func grant[T any](d *draft, project uuid.UUID, was, now []*resource[T], list func(*place) *[]*T, name func(*T) string) {
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
		if old != nil && old.there {
			var stay map[uuid.UUID]bool
			if next != nil && next.there {
				stay = make(map[uuid.UUID]bool, len(next.acl))
				for _, id := range next.acl {
					stay[id] = true
				}
			}
			for _, id := range old.acl {
				if !stay[id] {
					e := d.user(id)
					in := e.in(project)
					*list(in) = slices.DeleteFunc(slices.Clone(*list(in)), func(x *T) bool { return name(x) == old.name })
					e.tidy(project)
				}
			}
		}
		if next != nil && next.there {
			for _, id := range next.acl {
				d.turns.step()
				give(list(d.user(id).in(project)), &next.view, next.name, name, old == nil)
			}
		}
	}
}

// give puts a resource into a list that is sorted by name. A list that others
// may read is copied, unless the resource goes behind what they see of it.
func give[T any](list *[]*T, view *T, called string, name func(*T) string, fresh bool) {
	at, found := slices.BinarySearchFunc(*list, called, func(x *T, called string) int { return strings.Compare(name(x), called) })
	switch {
	case found:
		*list = slices.Clone(*list)
		(*list)[at] = view
	case fresh && at == len(*list):
		*list = append(*list, view)
	default:
		*list = slices.Insert(slices.Clone(*list), at, view)
	}
}

// subjects adds the topics of a project to what is known of its account, or
// takes them away.
func (d *draft) subjects(p *projectEntry, n int) {
	if !p.named {
		return
	}
	a := d.s.accounts[p.project.Account]
	a.projects += n
	for i := range p.project.Topics {
		t := &p.project.Topics[i]
		if !strings.HasPrefix(t.Subject, p.project.Name+".") {
			a.roaming += n
		}
		d.subject(p, t, n)
	}
	if a == (account{}) {
		delete(d.s.accounts, p.project.Account)
	} else {
		d.s.accounts[p.project.Account] = a
	}
}

func (d *draft) subject(p *projectEntry, t *Topic, n int) {
	at := subjectEntry{account: p.project.Account, subject: t.Subject, project: p.id, topic: t.Name}
	h := hashName(at.account + " " + at.subject)
	is := func(x *subjectEntry) bool { return x.account == at.account && x.subject == at.subject }
	prior := d.s.subjects.find(h, is)
	mine := prior != nil && prior.project == at.project && prior.topic == at.topic
	switch {
	case n < 0 && mine:
		d.s.subjects.remove(d.e, h, is)
	case n > 0 && prior == nil:
		d.s.subjects.put(d.e, h, &at, is)
	case n > 0 && !mine:
		d.add(ResourceKey(KindTopic, p.id, t.Name), "choose another subject", "subject "+secret.Name(t.Subject)+" is another topic's already")
	}
}
