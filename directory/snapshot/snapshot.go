package snapshot

import (
	"iter"
	"slices"
	"strings"
	"usher/directory"
	"usher/directory/hashtable"

	"github.com/google/uuid"
)

// Snapshot is an indexed and immutable directory. All methods are safe for
// concurrent use and take no lock. What they return shares memory with the
// snapshot: read it, do not write it.
//
// A snapshot of a store that is kept entry by entry may hold entries whose
// others have not come yet: a member that is no user, a topic of no project. It
// may hold entries that contradict others: a name, a key or a subject that is
// another's already. Such entries give nobody anything and are not shown, until
// what is in their way has gone.
type Snapshot struct {
	size     directory.Size
	ids      hashtable.Table[userEntry]
	names    hashtable.Table[userEntry]
	digests  hashtable.Table[userEntry]
	projects hashtable.Table[projectEntry]
	called   hashtable.Table[projectEntry] // projects by name
	accounts map[string]directory.AccountUse
	waiting  map[directory.EntryKey]directory.Entry // what asks for a name or a digest that another has
	unread   unreadable
	latest   uint64 // revision of the last entry that was applied, whether it set or removed
}

// Empty returns the snapshot of a directory with nothing in it.
func Empty() *Snapshot { return &Snapshot{} }

// LookupKey returns whom the key with this digest belongs to. If that is nobody,
// Undecided says whether that is certain.
func (s *Snapshot) LookupKey(d directory.Digest) (directory.KeyRecord, bool) {
	e := s.digests.Find(hashDigest(&d), func(e *userEntry) bool { return e.keyOf(&d) != nil })
	if e == nil || !e.named {
		return directory.KeyRecord{}, false
	}
	return directory.KeyRecord{User: e.user, Key: e.keyOf(&d)}, true
}

// Facts returns what the directory says of user; project is the one that the
// credential selects, or empty.
func (s *Snapshot) Facts(user, project string) (directory.Facts, bool) {
	e := s.named(user)
	if e == nil {
		return directory.Facts{}, false
	}
	f := directory.Facts{User: e.user, Memberships: s.memberships(e), Accounts: s.accounts, AccountsIncomplete: s.Obscures(directory.KindProject)}
	if project != "" {
		f.Selected, _ = s.Project(project)
	}
	f.Undecided = s.obscure(e, f.Selected)
	return f, true
}

// memberships joins what a user has with the projects as they are.
func (s *Snapshot) memberships(e *userEntry) []directory.Membership {
	var all []directory.Membership
	for i := range e.places {
		at := &e.places[i]
		if at.roles == nil {
			continue
		}
		p := s.project(at.project)
		if p == nil || !p.named {
			continue
		}
		if all == nil {
			all = make([]directory.Membership, 0, len(e.places)-i)
		}
		all = append(all, p.membership(at))
	}
	if len(all) > 1 {
		slices.SortFunc(all, func(x, y directory.Membership) int { return strings.Compare(x.Project.Name, y.Project.Name) })
	}
	return all
}

func (s *Snapshot) named(user string) *userEntry {
	return s.names.Find(hashName(user), func(e *userEntry) bool { return e.user.Name == user })
}

func (s *Snapshot) user(id uuid.UUID) *userEntry {
	return s.ids.Find(hashID(&id), func(e *userEntry) bool { return e.id == id })
}

func (s *Snapshot) project(id uuid.UUID) *projectEntry {
	return s.projects.Find(hashID(&id), func(p *projectEntry) bool { return p.id == id })
}

func (s *Snapshot) projectCalled(name string) *projectEntry {
	return s.called.Find(hashName(name), func(p *projectEntry) bool { return p.project.Name == name })
}

// User returns the user of this name.
func (s *Snapshot) User(name string) (*directory.User, bool) {
	if e := s.named(name); e != nil {
		return e.user, true
	}
	return nil, false
}

// UserByID returns the user with this id.
func (s *Snapshot) UserByID(id uuid.UUID) (*directory.User, bool) {
	if e := s.user(id); e != nil && e.named {
		return e.user, true
	}
	return nil, false
}

// Users yields every user, in no particular order.
func (s *Snapshot) Users() iter.Seq[*directory.User] {
	return func(yield func(*directory.User) bool) {
		for e := range s.names.All() {
			if !yield(e.user) {
				return
			}
		}
	}
}

// Project returns the project of this name.
func (s *Snapshot) Project(name string) (*directory.Project, bool) {
	if p := s.projectCalled(name); p != nil {
		return &p.project, true
	}
	return nil, false
}

// ProjectByID returns the project with this id.
func (s *Snapshot) ProjectByID(id uuid.UUID) (*directory.Project, bool) {
	if p := s.project(id); p != nil && p.named {
		return &p.project, true
	}
	return nil, false
}

// Projects yields every project, in no particular order. Topics and
// subscriptions are sorted by name; members and ACLs are left out.
func (s *Snapshot) Projects() iter.Seq[*directory.Project] {
	return func(yield func(*directory.Project) bool) {
		for p := range s.called.All() {
			if !yield(&p.project) {
				return
			}
		}
	}
}

// Members yields the members of a project with their user, in no particular order.
func (s *Snapshot) Members(project string) iter.Seq2[*directory.User, directory.Membership] {
	return func(yield func(*directory.User, directory.Membership) bool) {
		p := s.projectCalled(project)
		if p == nil {
			return
		}
		for _, id := range p.members {
			e := s.user(id)
			if e == nil || !e.named {
				continue
			}
			at, ok := e.placeOf(p.id)
			if !ok || e.places[at].roles == nil {
				continue
			}
			in := &e.places[at]
			if !yield(e.user, p.membership(in)) {
				return
			}
		}
	}
}

// Member returns the membership of a user in a project.
func (s *Snapshot) Member(project, user string) (directory.Membership, bool) {
	p, e := s.projectCalled(project), s.named(user)
	if p == nil || e == nil {
		return directory.Membership{}, false
	}
	at, ok := e.placeOf(p.id)
	if !ok || e.places[at].roles == nil {
		return directory.Membership{}, false
	}
	in := &e.places[at]
	return p.membership(in), true
}

// Topic returns a topic of a project.
func (s *Snapshot) Topic(project, name string) (*directory.Topic, bool) {
	p := s.projectCalled(project)
	if p == nil {
		return nil, false
	}
	return viewOf(p.topics, name)
}

// Subscription returns a subscription of a project.
func (s *Snapshot) Subscription(project, name string) (*directory.Subscription, bool) {
	p := s.projectCalled(project)
	if p == nil {
		return nil, false
	}
	return viewOf(p.subs, name)
}

// ACL returns the names of the users that a topic (KindTopicACL) or a
// subscription (KindSubscriptionACL) of a project is open to, in the order in
// which they were given, and the revision of that list; 0: it was never set.
func (s *Snapshot) ACL(kind directory.Kind, project, name string) (users []string, revision uint64, ok bool) {
	p := s.projectCalled(project)
	if p == nil {
		return nil, 0, false
	}
	var ids []uuid.UUID
	if kind == directory.KindTopicACL {
		ids, revision, ok = aclOf(p.topics, name)
	} else {
		ids, revision, ok = aclOf(p.subs, name)
	}
	return s.memberNames(p, ids), revision, ok
}

// memberNames returns the names of those who are members, each once.
func (s *Snapshot) memberNames(p *projectEntry, ids []uuid.UUID) []string {
	var names []string
	seen := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		e := s.user(id)
		if seen[id] || e == nil || !e.named || !e.isMember(p.id) {
			continue
		}
		seen[id] = true
		names = append(names, e.user.Name)
	}
	return names
}

// FirstWithServiceRole returns the first user, by name, that holds service role r.
func (s *Snapshot) FirstWithServiceRole(r directory.ServiceRole) (name string, ok bool) {
	for u := range s.Users() {
		if slices.Contains(u.ServiceRoles, r) && (!ok || u.Name < name) {
			name, ok = u.Name, true
		}
	}
	return name, ok
}

// AccountUse returns how the projects use a NATS account.
func (s *Snapshot) AccountUse(account string) directory.AccountUse { return s.accounts[account] }

// Size counts what the snapshot holds.
func (s *Snapshot) Size() directory.Size { return s.size }
