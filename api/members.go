package api

import (
	"slices"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

// memberView shows a member as every administrator of the project sees it: what
// concerns the project, and who it is. What it may do elsewhere, service roles
// included, is not theirs to know.
func memberView(project, name string) view {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		u, there := s.User(name)
		m, ok := s.Member(project, name)
		if !there || !ok {
			return nil, 0, false
		}
		return shownMember(u, &m), m.Revision, true
	}
}

func listMembers(c *call) (*answer, error) {
	project := c.vars[varProject]
	return listOfUsers(c, first(c.snapshot.Members(project)), func(u *directory.User) wire.User {
		m, _ := c.snapshot.Member(project, u.Name)
		return shownMember(u, &m)
	})
}

func showMember(c *call) (*answer, error) {
	return c.show(c.snapshot, whatUser, memberView(c.vars[varProject], c.vars[varUser]))
}

// createMember makes a user inside a project. Whoever administers one project
// gives roles in that one, and no service roles.
func createMember(c *call) (*answer, error) {
	in, project, name := c.body.(*wire.UserInput), c.vars[varProject], c.vars[varUser]
	if err := onlyProject(in.Projects, project); err != nil {
		return nil, err
	}
	if len(in.Projects) == 0 {
		return nil, checkRoles(nil)
	}
	made, err := c.newUser(name, in)
	if err != nil {
		return nil, err
	}
	at := memberView(project, name)
	next, err := c.alter(whatUser, at, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if (len(in.ServiceRoles) > 0 || in.ConnectionTypes != nil) && !c.isServiceAdmin() {
			return nil, forbidden()
		}
		if err := c.hasPlace(s, project); err != nil {
			return nil, err
		}
		return c.guessing(func() ([]directory.Entry, error) { return made.entries(c, s) })
	})
	if err != nil {
		return nil, err
	}
	return c.created(next, at, made.key, wire.DefaultKey)
}

// onlyProject refuses roles in other projects.
func onlyProject(wanted []wire.ProjectRoles, project string) error {
	for i := range wanted {
		if wanted[i].Project == "" {
			wanted[i].Project = project
		}
		if wanted[i].Project != project {
			return invalid("invalid project: %s", shownName(wanted[i].Project))
		}
	}
	return nil
}

// updateMember changes roles only. Clients send the whole user back, as AMS showed
// it: what else is in it is not looked at.
func updateMember(c *call) (*answer, error) {
	in, project, name := c.body.(*wire.UserInput), c.vars[varProject], c.vars[varUser]
	if err := onlyProject(in.Projects, project); err != nil {
		return nil, err
	}
	if len(in.Projects) != 1 {
		return nil, invalid("Invalid User Arguments")
	}
	roles := in.Projects[0].Roles
	if err := checkRoles(roles); err != nil {
		return nil, err
	}
	at := memberView(project, name)
	next, err := c.alter(whatUser, at, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, ok := s.Member(project, name); !ok {
			return nil, notFound(whatUser)
		}
		return putMember(s, project, name, roles), nil
	})
	if err != nil {
		return nil, err
	}
	return c.changed(next, at)
}

func putMember(s *snapshot.Snapshot, project, name string, roles []string) []directory.Entry {
	p, _ := s.Project(project)
	u, _ := s.User(name)
	return directory.Put(directory.MemberKey(p.ID, u.ID), &directory.Member{Roles: rolesOf(roles)})
}

func addMember(c *call) (*answer, error) {
	in, project, name := c.body.(*wire.ProjectRoles), c.vars[varProject], c.vars[varUser]
	if in.Project != "" && in.Project != project {
		return nil, invalid("invalid project: %s", shownName(in.Project))
	}
	if err := checkRoles(in.Roles); err != nil {
		return nil, err
	}
	at := memberView(project, name)
	next, err := c.alter(whatUser, at, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, ok := s.Member(project, name); ok {
			return nil, conflict("User is already a member of the project")
		}
		change := func() []directory.Entry { return putMember(s, project, name, in.Roles) }
		if err := c.hasPlace(s, project); err != nil {
			return nil, err
		}
		return c.guessing(func() ([]directory.Entry, error) {
			if err := c.mayAdd(s, project, name, change); err != nil {
				return nil, err
			}
			return change(), nil
		})
	})
	if err != nil {
		return nil, err
	}
	return c.changed(next, at)
}

// mayAdd reports whether who asks may make a user a member by a change. Whoever
// administers one project may not give a user a further account: a client with two
// has to say which one it wants, and is denied until it does. Nor may it do other
// harm to it, or take a user without roles that somebody else has made. That there is
// such a user is told as little as who it is.
func (c *call) mayAdd(s *snapshot.Snapshot, project, name string, change func() []directory.Entry) error {
	u, ok := s.User(name)
	switch {
	case c.isServiceAdmin() && !ok:
		return noSuch(whatUser, name)
	case c.isServiceAdmin():
		return nil
	case !ok || c.lands(s, u, project) || c.foreign(s, u) || len(c.harmed(s, project, change())) > 0:
		f := notFound(whatUser)
		f.details = []string{"if it exists, only a service_admin can add it: it has roles elsewhere that this would disturb, or none, and somebody else has made it"}
		return f
	default:
		return nil
	}
}

// foreign reports whether a user has no role, and was made by somebody else than who
// asks: it belongs to who made it, until a service_admin gives it a role.
func (c *call) foreign(s *snapshot.Snapshot, u *directory.User) bool {
	facts, _ := s.Facts(u.Name, "")
	return len(u.ServiceRoles) == 0 && len(facts.Memberships) == 0 && u.Made.By != c.user.ID
}

// lands reports whether a user has an account besides that of a project.
func (c *call) lands(s *snapshot.Snapshot, u *directory.User, project string) bool {
	p, _ := s.Project(project)
	for _, role := range u.ServiceRoles {
		if c.cfg.Policy.AccountOf(role) != p.Account {
			return true
		}
	}
	facts, _ := s.Facts(u.Name, "")
	return slices.ContainsFunc(facts.Memberships, func(m directory.Membership) bool { return m.Project.Account != p.Account })
}

func removeMember(c *call) (*answer, error) {
	project, name := c.vars[varProject], c.vars[varUser]
	_, err := c.alter(whatUser, memberView(project, name), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, ok := s.Member(project, name); !ok {
			return nil, notFound(whatUser)
		}
		p, _ := s.Project(project)
		u, _ := s.User(name)
		return s.RemoveMember(p.ID, u.ID), nil
	})
	return &answer{body: wire.Empty{}}, err
}
