package directory

import (
	"slices"
	"sort"
)

// userEntry is a user with all that a request needs of it in neighbouring cache
// lines. As a rule a user has one key and one membership: those lie here too.
type userEntry struct {
	key         [1]Key // user.Keys, if there is one
	user        User
	memberships []Membership
	member      [1]Membership // memberships, if there is one
}

// builder makes a snapshot of records that were checked.
type builder struct {
	s           *Snapshot
	records     *Records
	memberships []int // how many each user has
	topics      []Topic
	subs        []Subscription
	text        text
	roles       shared[Role]
	service     shared[ServiceRole]
	types       shared[ConnectionType]
	turns       turns
}

// build indexes the records of c, in which there is no fault.
func build(c *checker) *Snapshot {
	r := c.records
	b := builder{
		s: &Snapshot{
			size:     Size{Users: len(r.Users), Projects: len(r.Projects)},
			users:    make([]userEntry, len(r.Users)),
			names:    c.names,
			keys:     c.keys,
			projects: make(map[string]*Project, len(r.Projects)),
		},
		records:     r,
		memberships: make([]int, len(r.Users)),
	}
	for _, members := range c.members {
		for _, user := range members {
			b.memberships[user]++
		}
	}
	for first := 0; first < len(r.Users); first += usersPerText {
		b.addUsers(first, min(first+usersPerText, len(r.Users)))
	}
	r.Users = nil // they were copied
	topics, subs := 0, 0
	for i := range r.Projects {
		topics += len(r.Projects[i].Topics)
		subs += len(r.Projects[i].Subscriptions)
	}
	b.s.size.Topics, b.s.size.Subscriptions = topics, subs
	b.topics, b.subs = make([]Topic, 0, topics), make([]Subscription, 0, subs)
	// In order of name, so that every user's memberships come out sorted.
	order := make([]int, len(r.Projects))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, j int) bool { return r.Projects[order[i]].Name < r.Projects[order[j]].Name })
	for _, i := range order {
		b.addProject(&r.Projects[i])
		b.addMembers(&r.Projects[i], c.members[i])
	}
	return b.s
}

// usersPerText is how many users have their names and ids in one text.
const usersPerText = 512

// addUsers copies users to where they stay.
func (b *builder) addUsers(first, end int) {
	for i := first; i < end; i++ {
		b.turns.step()
		e := &b.s.users[i]
		e.user = b.records.Users[i]
		e.user.ServiceRoles = b.service.one(e.user.ServiceRoles)
		e.user.Limits.ConnectionTypes = b.types.one(e.user.Limits.ConnectionTypes)
		if len(e.user.Keys) == 1 {
			e.key[0] = e.user.Keys[0]
			e.user.Keys = e.key[:]
		}
		b.s.size.Keys += len(e.user.Keys)
		b.text.add(&e.user.Name)
		for j := range e.user.Keys {
			k := &e.user.Keys[j]
			if k.ID == "" {
				k.ID = k.Digest.KeyID()
			}
			b.text.add(&k.ID)
		}
		if n := b.memberships[i]; n == 1 {
			e.memberships = e.member[:0]
		} else if n > 1 {
			e.memberships = make([]Membership, 0, n)
		}
	}
	b.text.cut()
}

// addProject copies what requests need of a project to where it stays, near that
// of other projects. Decoding has left it between the names of the members.
func (b *builder) addProject(p *Project) {
	p.Topics, b.topics = settled(p.Topics, b.topics)
	p.Subscriptions, b.subs = settled(p.Subscriptions, b.subs)
	sort.Slice(p.Topics, func(i, j int) bool { return p.Topics[i].Name < p.Topics[j].Name })
	sort.Slice(p.Subscriptions, func(i, j int) bool { return p.Subscriptions[i].Name < p.Subscriptions[j].Name })
	b.text.add(&p.Name)
	b.text.add(&p.Account)
	for i := range p.Topics {
		t := &p.Topics[i]
		if t.Subject == "" {
			t.Subject = p.Name + "." + t.Name
		}
		b.text.add(&t.Subject)
		b.text.add(&t.Name)
	}
	for i := range p.Subscriptions {
		b.text.add(&p.Subscriptions[i].Name)
	}
	b.text.cut()
	b.s.projects[p.Name] = p
}

// settled appends list to all, and returns where it is now.
func settled[T any](list, all []T) (moved, grown []T) {
	all = append(all, list...)
	return all[len(all)-len(list) : len(all) : len(all)], all
}

// addMembers gives every member its membership. Equal names become one string,
// as do equal lists one list: decoding has made one of each.
func (b *builder) addMembers(p *Project, users []int) {
	memberships := make([]*Membership, len(p.Members))
	here := make(map[string]int, len(p.Members)) // user → index of the member
	for i := range p.Members {
		b.turns.step()
		m, e := &p.Members[i], &b.s.users[users[i]]
		here[m.User] = i
		m.User, m.Roles = e.user.Name, b.roles.one(m.Roles)
		e.memberships = append(e.memberships, Membership{Project: p, Roles: m.Roles})
		memberships[i] = &e.memberships[len(e.memberships)-1]
	}
	topics := named(b, p, here, p.Topics, func(t *Topic) []string { return t.ACL })
	subs := named(b, p, here, p.Subscriptions, func(s *Subscription) []string { return s.ACL })
	for i, m := range memberships {
		m.Topics, m.Subs = topics[i], subs[i]
	}
}

// named returns, for each member of p, the things whose ACL names it.
func named[T any](b *builder, p *Project, here map[string]int, things []T, aclOf func(*T) []string) [][]*T {
	counts, total := make([]int, len(p.Members)), 0
	for i := range things {
		acl := aclOf(&things[i])
		total += len(acl)
		for k, user := range acl {
			b.turns.step()
			member := here[user]
			acl[k] = p.Members[member].User
			counts[member]++
		}
	}
	lists, room := make([][]*T, len(p.Members)), make([]*T, total)
	for i, n := range counts {
		lists[i], room = room[:0:n], room[n:]
	}
	sums := make([]uint64, len(p.Members)) // tell different lists apart, nearly always
	for i := range things {
		for _, user := range aclOf(&things[i]) {
			b.turns.step()
			member := here[user]
			lists[member] = append(lists[member], &things[i])
			sums[member] = sums[member]*31 + uint64(i+1)
		}
	}
	// Many members have the same list: they share one, which the caches hold.
	known := map[uint64][]*T{}
	for i, list := range lists {
		b.turns.step()
		one, ok := known[sums[i]]
		if !ok || !slices.Equal(one, list) {
			one = slices.Clone(list)
			known[sums[i]] = one
		}
		lists[i] = one
	}
	return lists
}
