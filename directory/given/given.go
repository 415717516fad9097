// Package given makes the facts of a principal that is no user of the directory and has
// roles in projects, or the profile of a service, as the rules of identities give them.
//
// It promises that they are those of a user with the same roles, whose name is in the
// ACLs of the same topics and subscriptions. It reads one snapshot and keeps nothing.
package given

import (
	"slices"
	"strings"

	"usher/directory"
	"usher/directory/snapshot"
)

// Facts returns the facts of a principal with these roles, and the projects among them
// that do not exist, whose roles count for nothing. selected is the project that the
// credential selects, or empty. A name of a topic or subscription that the project does
// not have counts for nothing either.
func Facts(s *snapshot.Snapshot, name string, roles []directory.ProjectRole, service []directory.ServiceRole, selected string) (f directory.Facts, unknown []string) {
	f = s.FactsWithoutUser(selected)
	f.User = &directory.User{Name: name, ServiceRoles: service}
	for i := range roles {
		given := &roles[i]
		p, ok := s.Project(given.Project)
		if !ok {
			unknown = append(unknown, given.Project)
			continue
		}
		give(given, membershipIn(&f, p))
		f.Undecided = f.Undecided || s.UnreadableIn(p) && (f.Selected == nil || f.Selected.ID == p.ID)
	}
	// The unreadable entry of a project may be that of one that seems not to exist.
	f.Undecided = f.Undecided || len(unknown) > 0 && f.Selected == nil && f.AccountsIncomplete
	for i := range f.Memberships {
		m := &f.Memberships[i]
		measure(m, f.Accounts[m.Project.Account])
	}
	slices.SortFunc(f.Memberships, func(x, y directory.Membership) int { return strings.Compare(x.Project.Name, y.Project.Name) })
	return f, unknown
}

// Profile returns the facts of a principal that has the profile of a service, and nothing
// else.
func Profile(s *snapshot.Snapshot, name, profile, selected string) directory.Facts {
	f := s.FactsWithoutUser(selected)
	f.User, f.Profile = &directory.User{Name: name}, profile
	return f
}

// membershipIn returns the membership in a project. It adds one if there is none.
func membershipIn(f *directory.Facts, p *directory.Project) *directory.Membership {
	for i := range f.Memberships {
		if f.Memberships[i].Project == p {
			return &f.Memberships[i]
		}
	}
	f.Memberships = append(f.Memberships, directory.Membership{Project: p})
	return &f.Memberships[len(f.Memberships)-1]
}

// give adds a role to a membership.
func give(given *directory.ProjectRole, m *directory.Membership) {
	if !m.Has(given.Role) {
		m.Roles = append(m.Roles, given.Role)
	}
	m.Topics = addNamed(m.Topics, m.Project.Topics, given.Topics, func(t *directory.Topic) string { return t.Name })
	m.Subs = addNamed(m.Subs, m.Project.Subscriptions, given.Subscriptions, func(s *directory.Subscription) string { return s.Name })
}

// addNamed adds the resources of these names to a list. Both lists are sorted by name.
func addNamed[T any](list []*T, of []T, names []string, nameOf func(*T) string) []*T {
	all := slices.Contains(names, directory.Everything)
	if all {
		list = make([]*T, len(of))
		for i := range of {
			list[i] = &of[i]
		}
		return list
	}
	for _, name := range names {
		i, found := slices.BinarySearchFunc(of, name, func(x T, name string) int { return strings.Compare(nameOf(&x), name) })
		at, has := slices.BinarySearchFunc(list, name, func(x *T, name string) int { return strings.Compare(nameOf(x), name) })
		if found && !has {
			list = slices.Insert(list, at, &of[i])
		}
	}
	return list
}

// measure sets the sums of a membership.
func measure(m *directory.Membership, use directory.AccountUse) {
	for _, t := range m.Topics {
		m.TopicBytes += directory.JSONLength(t.Subject)
	}
	for _, s := range m.Subs {
		m.SubBytes += directory.JSONLength(s.Name)
	}
	if use.TopicsOutside == 0 {
		return // the usual case
	}
	for i := range m.Project.Topics {
		if subject := m.Project.Topics[i].Subject; !strings.HasPrefix(subject, m.Project.Name+".") {
			m.Outside.Add(subject)
		}
	}
}
