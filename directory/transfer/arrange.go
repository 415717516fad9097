package transfer

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
)

// arrange puts the entries into an order in which every part of it leaves a
// directory that keeps all rules. What fits into one change is one.
//
// Otherwise whoever leaves a project does so first. Then come users with their
// keys, and projects with their topics and subscriptions; of them, those that
// exchange what only one can have change at once. Then members, then ACLs. Users
// and projects that go, go last: an import that is interrupted leaves more, not
// less. Behind them comes what takes from who imports the right to go on.
func (p *Plan) arrange(d *differ) error {
	if all := d.all(); len(all) <= p.limit {
		return p.atom(all)
	}
	d.leaves = slices.Concat(
		slices.DeleteFunc(slices.Clone(d.leaves), func(e directory.Entry) bool { return e.Value == nil }),
		slices.DeleteFunc(slices.Clone(d.leaves), func(e directory.Entry) bool { return e.Value != nil }))
	p.each(d.leaves)
	users, projects := d.tieUsers(p.users), d.tieProjects(p.projects)
	own := p.ownLoss(d, users)
	late, err := p.groups(d.users, users)
	if err != nil {
		return err
	}
	lateProjects, err := p.groups(d.parts, projects)
	if err != nil {
		return err
	}
	p.each(d.members)
	p.each(d.acls)
	p.each(lateProjects)
	p.each(late)
	return p.atom(own)
}

// ownLoss takes out of the users what takes from who imports its key or its role.
// What others depend on stays where it is.
func (p *Plan) ownLoss(d *differ, t *ties) []directory.Entry {
	at, changes := t.index[p.by]
	if !changes || t.whole[at] {
		return nil
	}
	i := slices.IndexFunc(p.users, func(u pair[directory.User]) bool { return u.any().ID == p.by })
	if u := &p.users[i]; u.was == nil || u.now != nil && keeps(u.was, u.now) {
		return nil
	}
	own := d.users[at].entries
	d.users[at].entries = nil
	return own
}

// keeps reports whether a user may do afterwards what it may do before, with every
// key.
func keeps(was, now *directory.User) bool {
	return (was.Disabled || !now.Disabled) &&
		!slices.ContainsFunc(was.ServiceRoles, func(r directory.ServiceRole) bool { return !slices.Contains(now.ServiceRoles, r) }) &&
		!slices.ContainsFunc(was.Keys, func(k directory.Key) bool {
			return !slices.ContainsFunc(now.Keys, func(x directory.Key) bool { return x.ID == k.ID && sameKey(&x, &k) })
		})
}

// atom adds entries that have to change at once.
func (p *Plan) atom(entries []directory.Entry) error {
	if len(entries) > p.limit {
		return ErrTangled
	}
	if len(entries) > 0 {
		p.entries = append(p.entries, entries...)
		p.ends = append(p.ends, len(p.entries))
	}
	return nil
}

// each adds entries that can change one at a time, in this order.
func (p *Plan) each(entries []directory.Entry) {
	for _, e := range entries {
		p.entries = append(p.entries, e)
		p.ends = append(p.ends, len(p.entries))
	}
}

// groups adds units, those that are tied together at once, and returns the
// entries of those that only go.
func (p *Plan) groups(units []unit, t *ties) (late []directory.Entry, err error) {
	groups, order := map[int][]int{}, []int{}
	for i := range units {
		root := t.root(i)
		if groups[root] == nil {
			order = append(order, root)
		}
		groups[root] = append(groups[root], i)
	}
	first := func(root int) int {
		if slices.ContainsFunc(groups[root], func(i int) bool { return units[i].first }) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(order, func(x, y int) int { return first(x) - first(y) })
	for _, root := range order {
		group := groups[root]
		var entries []directory.Entry
		for _, i := range group {
			entries = append(entries, units[i].entries...)
		}
		switch {
		case len(group) == 1 && units[root].gone:
			late = append(late, entries...)
		case len(entries) > p.limit && len(group) == 1 && !t.whole[root] && !units[root].first:
			p.each(entries)
		default:
			if err := p.atom(entries); err != nil {
				return nil, err
			}
		}
	}
	return late, nil
}

// ties says which units have to change at once.
type ties struct {
	up    []int
	whole []bool // units that cannot be cut
	index map[uuid.UUID]int
}

func newTies(units []unit) *ties {
	t := &ties{up: make([]int, len(units)), whole: make([]bool, len(units)), index: make(map[uuid.UUID]int, len(units))}
	for i := range units {
		t.up[i] = i
		t.index[units[i].id] = i
	}
	return t
}

func (t *ties) root(i int) int {
	for t.up[i] != i {
		t.up[i] = t.up[t.up[i]]
		i = t.up[i]
	}
	return i
}

// tie ties the units of two ids together. One that does not change is nobody's.
func (t *ties) tie(x, y uuid.UUID) {
	i, ok := t.index[x]
	j, also := t.index[y]
	if !ok || !also {
		return
	}
	if t.whole[i], t.whole[j] = true, true; i != j {
		t.up[t.root(j)] = t.root(i)
	}
}

// tieUsers ties those who get a name or a key to who has it.
func (d *differ) tieUsers(users []pair[directory.User]) *ties {
	t := newTies(d.users)
	for i := range users {
		now := users[i].now
		if now == nil {
			continue
		}
		if holder, ok := d.current.User(now.Name); ok && holder.ID != now.ID {
			t.tie(now.ID, holder.ID)
		}
		for j := range now.Keys {
			if rec, ok := d.current.LookupKey(now.Keys[j].Digest); ok && rec.User.ID != now.ID {
				t.tie(now.ID, rec.User.ID)
			}
		}
	}
	return t
}

// place is where a subject is.
type place struct{ account, subject string }

// tieProjects ties those that get a name, an account or a subject to those that
// have it.
func (d *differ) tieProjects(projects []pair[directory.Project]) *ties {
	t := newTies(d.parts)
	type topic struct {
		project uuid.UUID
		name    string
	}
	holders := map[place]topic{}
	spread := map[string][]uuid.UUID{} // account whose subjects are all over it → what changes in it
	each(projects, func(p *directory.Project, _ bool) {
		for i := range p.Topics {
			if roams(p, &p.Topics[i]) {
				spread[p.Account] = nil
			}
		}
	})
	each(projects, func(p *directory.Project, now bool) {
		if in, ok := spread[p.Account]; ok {
			spread[p.Account] = append(in, p.ID)
		}
		for i := range p.Topics {
			if !now {
				holders[place{p.Account, subject(p, &p.Topics[i])}] = topic{p.ID, p.Topics[i].Name}
			}
		}
	})
	each(projects, func(p *directory.Project, now bool) {
		if !now {
			return
		}
		was, known := d.current.ProjectByID(p.ID)
		if known && (was.Name != p.Name || was.Account != p.Account) {
			t.tie(p.ID, p.ID)
		}
		if holder, ok := d.current.Project(p.Name); ok && holder.ID != p.ID {
			t.tie(p.ID, holder.ID)
		}
		for i := range p.Topics {
			holder, ok := holders[place{p.Account, subject(p, &p.Topics[i])}]
			if ok && holder != (topic{p.ID, p.Topics[i].Name}) {
				t.tie(p.ID, holder.project)
			}
		}
	})
	for _, in := range spread {
		for _, id := range in {
			t.tie(in[0], id)
		}
	}
	return t
}

// each calls one with every project before and after.
func each(projects []pair[directory.Project], one func(p *directory.Project, now bool)) {
	for _, p := range projects {
		if p.was != nil {
			one(p.was, false)
		}
	}
	for _, p := range projects {
		if p.now != nil {
			one(p.now, true)
		}
	}
}

func subject(p *directory.Project, t *directory.Topic) string {
	if t.Subject == "" {
		return p.Name + "." + t.Name
	}
	return t.Subject
}

// roams reports whether a topic's subject is outside of its project's space.
func roams(p *directory.Project, t *directory.Topic) bool {
	return !strings.HasPrefix(subject(p, t), p.Name+".")
}
