package directory

import (
	"iter"
	"maps"
	"slices"
)

// Snapshot is a checked, indexed and immutable directory. All methods are safe
// for concurrent use and take no lock.
type Snapshot struct {
	size     Size
	users    []userEntry // in the order of the records
	names    index
	keys     keyIndex
	projects map[string]*Project
}

// KeyRecord is what a digest leads to.
type KeyRecord struct {
	User *User
	Key  *Key
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
	c := check(&r)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return build(c), nil
}

// key returns the key at a place.
func (s *Snapshot) key(at keyPlace) *Key {
	e := &s.users[at.user]
	if at.key == 0 && e.key[0].Digest != (Digest{}) {
		return &e.key[0] // without a look at user.Keys, which is another cache line
	}
	return &e.user.Keys[at.key]
}

// LookupKey returns whom the key with this digest belongs to.
func (s *Snapshot) LookupKey(d Digest) (KeyRecord, bool) {
	at, ok := s.keys.find(&d, func(at keyPlace) bool { return s.key(at).Digest == d })
	if !ok {
		return KeyRecord{}, false
	}
	return KeyRecord{User: &s.users[at.user].user, Key: s.key(at)}, true
}

// Facts returns what the directory says of user; project is the one that the
// credential selects, or empty.
func (s *Snapshot) Facts(user, project string) (Facts, bool) {
	n, ok := s.names.find(hashName(user), func(n int) bool { return s.users[n].user.Name == user })
	if !ok {
		return Facts{}, false
	}
	e := &s.users[n]
	f := Facts{User: &e.user, Memberships: e.memberships}
	if project != "" {
		f.Selected = s.projects[project]
	}
	return f, true
}

// Projects yields every project, in no particular order.
func (s *Snapshot) Projects() iter.Seq[*Project] { return maps.Values(s.projects) }

// FirstWithServiceRole returns the first user, by name, that holds service role r.
func (s *Snapshot) FirstWithServiceRole(r ServiceRole) (name string, ok bool) {
	for i := range s.users {
		u := &s.users[i].user
		if slices.Contains(u.ServiceRoles, r) && (!ok || u.Name < name) {
			name, ok = u.Name, true
		}
	}
	return name, ok
}

// Size counts what the snapshot holds.
func (s *Snapshot) Size() Size { return s.size }
