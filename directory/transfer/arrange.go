package transfer

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
)

// arrange orders the entries so that the directory keeps all rules after each part. If
// all entries fit into one change, there is a single part.
//
// Otherwise the order is:
//
//  1. members who leave a project;
//  2. users with their keys, then projects with their topics and subscriptions; those
//     that swap something unique change at once;
//  3. members who join or whose roles change, then ACLs, then bans;
//  4. removals of projects and users, so that an interrupted import leaves more behind,
//     not less;
//  5. changes that take from the importing user the right to continue.
func (p *Plan) arrange(d *differ) error {
	if all := d.entries(); len(all) <= p.limit {
		return p.addAtomic(all)
	}
	d.leaving = slices.Concat(
		slices.DeleteFunc(slices.Clone(d.leaving), func(e directory.Entry) bool { return e.Value == nil }),
		slices.DeleteFunc(slices.Clone(d.leaving), func(e directory.Entry) bool { return e.Value != nil }))
	p.addSeparately(d.leaving)
	users, projects := d.groupUsers(p.users), d.groupProjects(p.projects)
	own := p.ownRemoval(d, users)
	late, err := p.addUnits(d.users, users)
	if err != nil {
		return err
	}
	lateProjects, err := p.addUnits(d.projects, projects)
	if err != nil {
		return err
	}
	p.addSeparately(d.members)
	p.addSeparately(d.acls)
	p.addSeparately(d.bans)
	p.addSeparately(lateProjects)
	p.addSeparately(late)
	return p.addAtomic(own)
}

// ownRemoval removes from the units the entries that take a key or a role from the
// importing user, and returns them. A unit that others depend on stays where it is.
func (p *Plan) ownRemoval(d *differ, t *groups) []directory.Entry {
	unit, changed := t.index[p.by]
	if !changed || t.atomic[unit] {
		return nil
	}
	i := slices.IndexFunc(p.users, func(u pair[directory.User]) bool { return u.either().ID == p.by })
	if u := &p.users[i]; u.before == nil || u.after != nil && keeps(u.before, u.after) {
		return nil
	}
	own := d.users[unit].entries
	d.users[unit].entries = nil
	return own
}

// keeps reports whether a user keeps all its rights and keys.
func keeps(was, now *directory.User) bool {
	return (was.Disabled || !now.Disabled) &&
		!slices.ContainsFunc(was.ServiceRoles, func(r directory.ServiceRole) bool { return !slices.Contains(now.ServiceRoles, r) }) &&
		!slices.ContainsFunc(was.Keys, func(k directory.Key) bool {
			return !slices.ContainsFunc(now.Keys, func(x directory.Key) bool { return x.ID == k.ID && sameKey(&x, &k) })
		})
}

// addAtomic adds entries that have to change at once.
func (p *Plan) addAtomic(entries []directory.Entry) error {
	if len(entries) > p.limit {
		return ErrTooManySwaps
	}
	if len(entries) > 0 {
		p.entries = append(p.entries, entries...)
		p.boundaries = append(p.boundaries, len(p.entries))
	}
	return nil
}

// addSeparately adds entries that can change one by one, in this order.
func (p *Plan) addSeparately(entries []directory.Entry) {
	for _, e := range entries {
		p.entries = append(p.entries, e)
		p.boundaries = append(p.boundaries, len(p.entries))
	}
}

// addUnits adds units, group by group. It returns the entries of units that are only
// removed.
func (p *Plan) addUnits(units []unit, t *groups) (late []directory.Entry, err error) {
	groups, order := map[int][]int{}, []int{}
	for i := range units {
		root := t.root(i)
		if groups[root] == nil {
			order = append(order, root)
		}
		groups[root] = append(groups[root], i)
	}
	rank := func(root int) int {
		if slices.ContainsFunc(groups[root], func(i int) bool { return units[i].priority }) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(order, func(x, y int) int { return rank(x) - rank(y) })
	for _, root := range order {
		group := groups[root]
		var entries []directory.Entry
		for _, i := range group {
			entries = append(entries, units[i].entries...)
		}
		switch {
		case len(group) == 1 && units[root].removed:
			late = append(late, entries...)
		case len(entries) > p.limit && len(group) == 1 && !t.atomic[root] && !units[root].priority:
			p.addSeparately(entries)
		default:
			if err := p.addAtomic(entries); err != nil {
				return nil, err
			}
		}
	}
	return late, nil
}

// groups partitions units into those that have to change at once (a union-find
// structure).
type groups struct {
	parent []int
	atomic []bool // units that cannot be split
	index  map[uuid.UUID]int
}

func newGroups(units []unit) *groups {
	t := &groups{parent: make([]int, len(units)), atomic: make([]bool, len(units)), index: make(map[uuid.UUID]int, len(units))}
	for i := range units {
		t.parent[i] = i
		t.index[units[i].id] = i
	}
	return t
}

func (t *groups) root(i int) int {
	for t.parent[i] != i {
		t.parent[i] = t.parent[t.parent[i]]
		i = t.parent[i]
	}
	return i
}

// join puts the units of two ids into one group. An id that does not change has no unit.
func (t *groups) join(x, y uuid.UUID) {
	i, ok := t.index[x]
	j, found := t.index[y]
	if !ok || !found {
		return
	}
	if t.atomic[i], t.atomic[j] = true, true; i != j {
		t.parent[t.root(j)] = t.root(i)
	}
}

// groupUsers groups users who get a name or a key with the user who has it.
func (d *differ) groupUsers(users []pair[directory.User]) *groups {
	t := newGroups(d.users)
	for i := range users {
		now := users[i].after
		if now == nil {
			continue
		}
		if holder, ok := d.current.User(now.Name); ok && holder.ID != now.ID {
			t.join(now.ID, holder.ID)
		}
		for j := range now.Keys {
			if rec, ok := d.current.LookupKey(now.Keys[j].Digest); ok && rec.User.ID != now.ID {
				t.join(now.ID, rec.User.ID)
			}
		}
	}
	return t
}

// subjectKey identifies a subject of an account.
type subjectKey struct{ account, subject string }

// groupProjects groups projects that get a name, an account or a subject with the
// project that has it.
func (d *differ) groupProjects(projects []pair[directory.Project]) *groups {
	t := newGroups(d.projects)
	type topic struct {
		project uuid.UUID
		name    string
	}
	holders := map[subjectKey]topic{}
	inAccount := map[string][]uuid.UUID{} // projects by account, of accounts with subjects outside of their project
	each(projects, func(p *directory.Project, _ bool) {
		for i := range p.Topics {
			if isOutside(p, &p.Topics[i]) {
				inAccount[p.Account] = nil
			}
		}
	})
	each(projects, func(p *directory.Project, now bool) {
		if in, ok := inAccount[p.Account]; ok {
			inAccount[p.Account] = append(in, p.ID)
		}
		for i := range p.Topics {
			if !now {
				holders[subjectKey{p.Account, subject(p, &p.Topics[i])}] = topic{p.ID, p.Topics[i].Name}
			}
		}
	})
	each(projects, func(p *directory.Project, now bool) {
		if !now {
			return
		}
		was, known := d.current.ProjectByID(p.ID)
		if known && (was.Name != p.Name || was.Account != p.Account) {
			t.join(p.ID, p.ID)
		}
		if holder, ok := d.current.Project(p.Name); ok && holder.ID != p.ID {
			t.join(p.ID, holder.ID)
		}
		for i := range p.Topics {
			holder, ok := holders[subjectKey{p.Account, subject(p, &p.Topics[i])}]
			if ok && holder != (topic{p.ID, p.Topics[i].Name}) {
				t.join(p.ID, holder.project)
			}
		}
	})
	for _, in := range inAccount {
		for _, id := range in {
			t.join(in[0], id)
		}
	}
	return t
}

// each calls f with every project before and after the change.
func each(projects []pair[directory.Project], f func(p *directory.Project, after bool)) {
	for _, p := range projects {
		if p.before != nil {
			f(p.before, false)
		}
	}
	for _, p := range projects {
		if p.after != nil {
			f(p.after, true)
		}
	}
}

func subject(p *directory.Project, t *directory.Topic) string {
	if t.Subject == "" {
		return p.Name + "." + t.Name
	}
	return t.Subject
}

// isOutside reports whether a topic's subject does not begin with its project's name.
func isOutside(p *directory.Project, t *directory.Topic) bool {
	return !strings.HasPrefix(subject(p, t), p.Name+".")
}
