package directory

import (
	"iter"
	"maps"
	"slices"
	"sort"
)

// Snapshot is a checked, indexed and immutable directory. All methods are safe
// for concurrent use and take no lock.
type Snapshot struct {
	keys     map[Digest]KeyRecord
	users    map[string]*userEntry
	projects map[string]*Project
}

// KeyRecord is what a digest leads to.
type KeyRecord struct {
	User *User
	Key  *Key
}

// userEntry is the index of what one user holds.
type userEntry struct {
	user        *User
	memberships []Membership
}

// Membership is one project of a user with what its ACLs give the user there.
type Membership struct {
	Project *Project
	Roles   []Role
	Topics  []*Topic        // whose ACL names the user, sorted by name
	Subs    []*Subscription // whose ACL names the user, sorted by name
}

// Has reports whether the membership holds role r.
func (m *Membership) Has(r Role) bool { return slices.Contains(m.Roles, r) }

// Facts is everything that the directory says of one user. It shares memory
// with the snapshot: read it, do not write it.
type Facts struct {
	User        *User
	Memberships []Membership // sorted by project name
	Selected    *Project     // the project that was asked for; nil if none was, or it does not exist
}

// HasServiceRole reports whether the user holds service role r.
func (f *Facts) HasServiceRole(r ServiceRole) bool {
	return f.User != nil && slices.Contains(f.User.ServiceRoles, r)
}

// Size counts what a snapshot holds.
type Size struct{ Users, Keys, Projects, Topics, Subscriptions int }

// NewSnapshot checks and indexes records. The error is Problems, all at once.
// The records belong to the snapshot from then on.
func NewSnapshot(r Records) (*Snapshot, error) {
	if problems := check(&r); len(problems) > 0 {
		return nil, problems
	}
	s := &Snapshot{
		keys:     make(map[Digest]KeyRecord, len(r.Users)),
		users:    make(map[string]*userEntry, len(r.Users)),
		projects: make(map[string]*Project, len(r.Projects)),
	}
	for i := range r.Users {
		u := &r.Users[i]
		s.users[u.Name] = &userEntry{user: u}
		for j := range u.Keys {
			k := &u.Keys[j]
			if k.ID == "" {
				k.ID = k.Digest.KeyID()
			}
			s.keys[k.Digest] = KeyRecord{User: u, Key: k}
		}
	}
	// In order of name, so that every user's memberships come out sorted.
	order := make([]*Project, len(r.Projects))
	for i := range r.Projects {
		order[i] = &r.Projects[i]
	}
	sort.Slice(order, func(i, j int) bool { return order[i].Name < order[j].Name })
	for _, p := range order {
		s.addProject(p)
	}
	return s, nil
}

func (s *Snapshot) addProject(p *Project) {
	s.projects[p.Name] = p
	sort.Slice(p.Topics, func(i, j int) bool { return p.Topics[i].Name < p.Topics[j].Name })
	sort.Slice(p.Subscriptions, func(i, j int) bool { return p.Subscriptions[i].Name < p.Subscriptions[j].Name })
	here := make(map[string]int, len(p.Members)) // user → index of the membership
	for _, m := range p.Members {
		e := s.users[m.User]
		here[m.User] = len(e.memberships)
		e.memberships = append(e.memberships, Membership{Project: p, Roles: m.Roles})
	}
	for i := range p.Topics {
		t := &p.Topics[i]
		if t.Subject == "" {
			t.Subject = p.Name + "." + t.Name
		}
		for _, user := range t.ACL {
			m := &s.users[user].memberships[here[user]]
			m.Topics = append(m.Topics, t)
		}
	}
	for i := range p.Subscriptions {
		sub := &p.Subscriptions[i]
		for _, user := range sub.ACL {
			m := &s.users[user].memberships[here[user]]
			m.Subs = append(m.Subs, sub)
		}
	}
}

// LookupKey returns whom the key with this digest belongs to.
func (s *Snapshot) LookupKey(d Digest) (KeyRecord, bool) {
	r, ok := s.keys[d]
	return r, ok
}

// Facts returns what the directory says of user; project is the one that the
// credential selects, or empty.
func (s *Snapshot) Facts(user, project string) (Facts, bool) {
	e, ok := s.users[user]
	if !ok {
		return Facts{}, false
	}
	f := Facts{User: e.user, Memberships: e.memberships}
	if project != "" {
		f.Selected = s.projects[project]
	}
	return f, true
}

// Projects yields every project, in no particular order.
func (s *Snapshot) Projects() iter.Seq[*Project] { return maps.Values(s.projects) }

// FirstWithServiceRole returns the first user, by name, that holds service role r.
func (s *Snapshot) FirstWithServiceRole(r ServiceRole) (name string, ok bool) {
	for user, e := range s.users {
		if slices.Contains(e.user.ServiceRoles, r) && (!ok || user < name) {
			name, ok = user, true
		}
	}
	return name, ok
}

// Size counts what the snapshot holds.
func (s *Snapshot) Size() Size {
	size := Size{Users: len(s.users), Keys: len(s.keys), Projects: len(s.projects)}
	for _, p := range s.projects {
		size.Topics += len(p.Topics)
		size.Subscriptions += len(p.Subscriptions)
	}
	return size
}
