package snapshot

import (
	"iter"
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/bans"
	"usher/directory/hashtable"
)

// Snapshot is an indexed and immutable directory. All methods are safe for concurrent
// use and take no lock. What they return shares memory with the snapshot: do not write
// to it.
//
// The snapshot of a store that keeps entries one by one may contain entries whose
// references have not arrived yet, such as a member that is not a user or a topic without
// a project. It may also contain entries that contradict others: a name, an API key or a
// subject that already belongs to another entry. Such entries grant nothing and are not
// visible until the contradiction is resolved.
type Snapshot struct {
	usersByID      hashtable.Table[userEntry]
	usersByName    hashtable.Table[userEntry]
	usersByDigest  hashtable.Table[userEntry] // of their keys
	projectsByID   hashtable.Table[projectEntry]
	projectsByName hashtable.Table[projectEntry]
	accounts       map[string]directory.AccountUse
	conflicting    map[directory.EntryKey]directory.Entry // whose name or digest belongs to another entry
	unreadable     unreadable
	bans           *bans.Index // nil: none
	size           directory.Size
	latest         uint64 // revision of the last entry that was applied, including removals
}

// Empty returns the snapshot of an empty directory.
func Empty() *Snapshot { return &Snapshot{} }

// LookupKey returns the key with this digest and its user. If there is none, Undecided
// tells whether that is certain.
func (s *Snapshot) LookupKey(d directory.Digest) (directory.KeyRecord, bool) {
	e := s.keyHolder(&d)
	if e == nil || !e.hasName {
		return directory.KeyRecord{}, false
	}
	return directory.KeyRecord{User: e.user, Key: e.keyOf(&d)}, true
}

// Facts returns what the directory says about a user. project is the project that the
// credential selects, or empty.
func (s *Snapshot) Facts(user, project string) (directory.Facts, bool) {
	e := s.userNamed(user)
	if e == nil {
		return directory.Facts{}, false
	}
	f := s.FactsWithoutUser(project)
	f.User, f.Memberships = e.user, s.memberships(e)
	f.Undecided = s.undecided(e, f.Selected)
	return f, true
}

// FactsWithoutUser returns what Facts says about a user who is in no project.
func (s *Snapshot) FactsWithoutUser(project string) directory.Facts {
	f := directory.Facts{Accounts: s.accounts, AccountsIncomplete: s.HasUnreadable(directory.KindProject)}
	if project != "" {
		f.Selected, _ = s.Project(project)
	}
	return f
}

// memberships returns the memberships of a user, sorted by project name.
func (s *Snapshot) memberships(e *userEntry) []directory.Membership {
	var all []directory.Membership
	for i := range e.access {
		a := &e.access[i]
		if a.roles == nil {
			continue
		}
		p := s.project(a.project)
		if p == nil || !p.hasName {
			continue
		}
		if all == nil {
			all = make([]directory.Membership, 0, len(e.access)-i)
		}
		all = append(all, p.membership(a))
	}
	if len(all) > 1 {
		slices.SortFunc(all, func(x, y directory.Membership) int { return strings.Compare(x.Project.Name, y.Project.Name) })
	}
	return all
}

func (s *Snapshot) keyHolder(d *directory.Digest) *userEntry {
	return s.usersByDigest.Find(hashDigest(d), func(e *userEntry) bool { return e.keyOf(d) != nil })
}

func (s *Snapshot) userNamed(name string) *userEntry {
	return s.usersByName.Find(hashName(name), func(e *userEntry) bool { return e.user.Name == name })
}

func (s *Snapshot) user(id uuid.UUID) *userEntry {
	return s.usersByID.Find(hashID(&id), func(e *userEntry) bool { return e.id == id })
}

func (s *Snapshot) project(id uuid.UUID) *projectEntry {
	return s.projectsByID.Find(hashID(&id), func(p *projectEntry) bool { return p.id == id })
}

func (s *Snapshot) projectNamed(name string) *projectEntry {
	return s.projectsByName.Find(hashName(name), func(p *projectEntry) bool { return p.project.Name == name })
}

// User returns the user with this name.
func (s *Snapshot) User(name string) (*directory.User, bool) {
	if e := s.userNamed(name); e != nil {
		return e.user, true
	}
	return nil, false
}

// UserByID returns the user with this id.
func (s *Snapshot) UserByID(id uuid.UUID) (*directory.User, bool) {
	if e := s.user(id); e != nil && e.hasName {
		return e.user, true
	}
	return nil, false
}

// Users yields every user, in no particular order.
func (s *Snapshot) Users() iter.Seq[*directory.User] {
	return func(yield func(*directory.User) bool) {
		for e := range s.usersByName.All() {
			if !yield(e.user) {
				return
			}
		}
	}
}

// Project returns the project with this name.
func (s *Snapshot) Project(name string) (*directory.Project, bool) {
	if p := s.projectNamed(name); p != nil {
		return &p.project, true
	}
	return nil, false
}

// ProjectByID returns the project with this id.
func (s *Snapshot) ProjectByID(id uuid.UUID) (*directory.Project, bool) {
	if p := s.project(id); p != nil && p.hasName {
		return &p.project, true
	}
	return nil, false
}

// Projects yields every project, in no particular order. Topics and subscriptions are
// sorted by name; members and ACLs are not set.
func (s *Snapshot) Projects() iter.Seq[*directory.Project] {
	return func(yield func(*directory.Project) bool) {
		for p := range s.projectsByName.All() {
			if !yield(&p.project) {
				return
			}
		}
	}
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

// Size counts the visible contents of the snapshot.
func (s *Snapshot) Size() directory.Size { return s.size }
