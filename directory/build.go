package directory

import (
	"slices"
	"sort"
	"strings"
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
	// In order of name, so that every user's memberships come out sorted.
	order := make([]int, len(r.Projects))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, j int) bool { return r.Projects[order[i]].Name < r.Projects[order[j]].Name })
	for _, i := range order {
		b.addProject(&r.Projects[i], c.members[i])
	}
	return b.s
}

// usersPerText is how many users have their names and ids in one text.
const usersPerText = 512

// addUsers copies users to where they stay.
func (b *builder) addUsers(first, end int) {
	rest := textOf(b.records.Users[first:end])
	cut := func(s *string) { *s, rest = rest[:len(*s)], rest[len(*s):] }
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
		cut(&e.user.Name)
		for j := range e.user.Keys {
			cut(&e.user.Keys[j].ID)
		}
		if n := b.memberships[i]; n == 1 {
			e.memberships = e.member[:0]
		} else if n > 1 {
			e.memberships = make([]Membership, 0, n)
		}
	}
}

// textOf gives every key an id, and returns one text of all names and ids.
func textOf(users []User) string {
	var text strings.Builder
	for i := range users {
		text.WriteString(users[i].Name)
		for j := range users[i].Keys {
			k := &users[i].Keys[j]
			if k.ID == "" {
				k.ID = k.Digest.KeyID()
			}
			text.WriteString(k.ID)
		}
	}
	return text.String()
}

// addProject gives every member its membership. Equal names become one string, as
// do equal lists one list: decoding has made one of each.
func (b *builder) addProject(p *Project, users []int) {
	b.s.projects[p.Name] = p
	b.s.size.Topics += len(p.Topics)
	b.s.size.Subscriptions += len(p.Subscriptions)
	sort.Slice(p.Topics, func(i, j int) bool { return p.Topics[i].Name < p.Topics[j].Name })
	sort.Slice(p.Subscriptions, func(i, j int) bool { return p.Subscriptions[i].Name < p.Subscriptions[j].Name })
	for i := range p.Topics {
		if t := &p.Topics[i]; t.Subject == "" {
			t.Subject = p.Name + "." + t.Name
			t.Name = t.Subject[len(p.Name)+1:]
		}
	}
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

// maxShared bounds how many lists are compared with.
const maxShared = 32

// shared keeps one of each list that stands in many records.
type shared[T comparable] [][]T

func (s *shared[T]) one(list []T) []T {
	if len(list) == 0 {
		return list
	}
	for _, known := range *s {
		if slices.Equal(known, list) {
			return known
		}
	}
	if len(*s) < maxShared {
		*s = append(*s, slices.Clip(list))
	}
	return list
}
