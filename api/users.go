package api

import (
	"iter"
	"slices"

	"github.com/google/uuid"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/tokens/apikey"
)

// userView shows the user of this name, whatever that is when the view is used.
func userView(name *string) view {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		u, ok := s.User(*name)
		if !ok {
			return nil, 0, false
		}
		return shownUser(s, u), u.Revision, true
	}
}

func listUsers(c *call) (*answer, error) {
	all := c.snapshot.Users()
	if project := c.r.URL.Query().Get(varProject); project != "" {
		if _, ok := c.snapshot.Project(project); !ok {
			return nil, noSuch(whatProject, project)
		}
		all = first(c.snapshot.Members(project))
	}
	return listOfUsers(c, all, func(u *directory.User) wire.User { return shownUser(c.snapshot, u) })
}

func listOfUsers(c *call, all iter.Seq[*directory.User], show func(*directory.User) wire.User) (*answer, error) {
	found, next, total, err := page(c, all, func(u *directory.User) position { return position{u.Made.Created, u.Name} })
	if err != nil {
		return nil, err
	}
	out := wire.UserList{Users: []wire.User{}, NextPageToken: next, TotalSize: total}
	for _, u := range found {
		out.Users = append(out.Users, show(u))
	}
	return &answer{body: out}, nil
}

func first[A, B any](pairs iter.Seq2[A, B]) iter.Seq[A] {
	return func(yield func(A) bool) {
		for a := range pairs {
			if !yield(a) {
				return
			}
		}
	}
}

func showUser(c *call) (*answer, error) {
	name := c.vars[varUser]
	return c.show(c.snapshot, whatUser, userView(&name))
}

func showProfile(c *call) (*answer, error) {
	return c.show(c.snapshot, whatUser, userView(&c.user.Name))
}

func showUserByUUID(c *call) (*answer, error) {
	id, err := uuid.Parse(c.vars[varUUID])
	if err != nil {
		return nil, invalidName(varUUID, nil)
	}
	u, ok := c.snapshot.UserByID(id)
	if !ok {
		return nil, notFound(whatUser)
	}
	return c.show(c.snapshot, whatUser, userView(&u.Name))
}

func showPermissions(c *call) (*answer, error) {
	name, project := c.vars[varUser], c.r.URL.Query().Get(varProject)
	if _, ok := c.snapshot.User(name); !ok {
		return nil, notFound(whatUser)
	}
	if _, ok := c.snapshot.Project(project); !ok && project != "" {
		return nil, noSuch(whatProject, project)
	}
	return &answer{body: c.cfg.Explain(name, project)}, nil
}

func createUser(c *call) (*answer, error) {
	in, name := c.body.(*wire.UserInput), c.vars[varUser]
	made, err := c.newUser(name, in)
	if err != nil {
		return nil, err
	}
	at := userView(&name)
	next, err := c.alter(whatUser, at, func(s *snapshot.Snapshot) ([]directory.Entry, error) { return made.entries(c, s) })
	if err != nil {
		return nil, err
	}
	return c.created(next, at, made.key, wire.DefaultKey)
}

// created answers with a user and the key that it has just got.
func (c *call) created(next *snapshot.Snapshot, at view, key, keyName string) (*answer, error) {
	out, err := c.changed(next, at)
	if err != nil {
		return nil, err
	}
	user, _ := out.body.(wire.User)
	made := wire.UserCreated{User: user, Token: key, Key: keyName}
	for _, e := range c.written {
		if k, ok := e.Value.(*directory.Key); ok && e.Key.Name == keyName {
			made.ExpiresOn = shownTime(k.Expires)
		}
	}
	out.body = made
	return out, nil
}

// newUser is a user that is being made.
type newUser struct {
	id   uuid.UUID
	name string
	key  string // the key itself
	in   *wire.UserInput
}

func (c *call) newUser(name string, in *wire.UserInput) (*newUser, error) {
	if err := c.newName(varUser, name); err != nil {
		return nil, err
	}
	if in.Name != nil && *in.Name != name {
		return nil, c.arguments(errOtherName)
	}
	if err := c.checkUser(in); err != nil {
		return nil, err
	}
	id, err := c.newUUID()
	if err != nil {
		return nil, err
	}
	key, err := apikey.New(c.cfg.Random)
	if err != nil {
		return nil, err
	}
	return &newUser{id, name, key, in}, nil
}

func (n *newUser) entries(c *call, s *snapshot.Snapshot) ([]directory.Entry, error) {
	if _, ok := s.User(n.name); ok {
		return nil, exists(whatUser)
	}
	if s.Obscures(directory.KindUser) {
		return nil, obscured(whatUser)
	}
	u := &directory.User{Name: n.name, Made: c.made()}
	fill(u, n.in)
	change := []directory.Entry{
		{Key: directory.UserKey(n.id), Value: u},
		{Key: directory.KeyKey(n.id, wire.DefaultKey), Value: &directory.Key{Digest: directory.DigestOf(n.key), Created: c.now()}},
	}
	for _, wanted := range n.in.Projects {
		p, ok := s.Project(wanted.Project)
		if !ok {
			return nil, invalid("invalid project: %s", shownName(wanted.Project))
		}
		change = append(change, directory.Entry{Key: directory.MemberKey(p.ID, n.id), Value: &directory.Member{Roles: rolesOf(wanted.Roles)}})
	}
	return change, nil
}

func updateUser(c *call) (*answer, error) {
	in, name := c.body.(*wire.UserInput), c.vars[varUser]
	before, after := name, name
	set(&after, in.Name)
	if after != before {
		if err := c.newName(varUser, after); err != nil {
			return nil, err
		}
	}
	if err := c.checkUser(in); err != nil {
		return nil, err
	}
	next, err := c.alter(whatUser, userView(&before), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		old, ok := s.User(before)
		if !ok {
			return nil, notFound(whatUser)
		}
		if _, taken := s.User(after); taken && after != before {
			return nil, exists(whatUser)
		}
		if after != before && s.Obscures(directory.KindUser) {
			return nil, obscured(whatUser)
		}
		u := *old
		u.Name, u.Made.Modified = after, c.now()
		fill(&u, in)
		return memberships(s, old, in.Projects, directory.Put(directory.UserKey(u.ID), &u))
	})
	if err != nil {
		return nil, err
	}
	return c.changed(next, userView(&after))
}

// memberships appends to a change what makes the memberships of a user the wanted
// ones; nil: they stay as they are.
func memberships(s *snapshot.Snapshot, u *directory.User, wanted []wire.ProjectRoles, change []directory.Entry) ([]directory.Entry, error) {
	if wanted == nil {
		return change, nil
	}
	stay := map[uuid.UUID]bool{}
	for _, w := range wanted {
		p, ok := s.Project(w.Project)
		if !ok {
			return nil, invalid("invalid project: %s", shownName(w.Project))
		}
		stay[p.ID] = true
		if m, ok := s.Member(w.Project, u.Name); !ok || !slices.Equal(m.Roles, rolesOf(w.Roles)) {
			change = append(change, directory.Entry{Key: directory.MemberKey(p.ID, u.ID), Value: &directory.Member{Roles: rolesOf(w.Roles)}})
		}
	}
	facts, _ := s.Facts(u.Name, "")
	for i := range facts.Memberships {
		if p := facts.Memberships[i].Project; !stay[p.ID] {
			change = append(change, s.RemoveMember(p.ID, u.ID)...)
		}
	}
	return change, nil
}

func deleteUser(c *call) (*answer, error) {
	name := c.vars[varUser]
	_, err := c.alter(whatUser, userView(&name), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, ok := s.User(name)
		if !ok {
			return nil, notFound(whatUser)
		}
		return s.RemoveUser(u.ID), nil
	})
	return &answer{}, err
}
