package users

import (
	"slices"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

// maxMembers is how many members an administrator of a project can give it. A
// service_admin can add more.
const maxMembers = 10_000

func listMembers(r *rest.Request) (*rest.Response, error) {
	project := r.Var(rest.VarProject)
	return userList(r, keys(r.Snapshot.Members(project)), func(u *directory.User) wire.User {
		m, _ := r.Snapshot.Member(project, u.Name)
		return memberOf(u, &m)
	})
}

func showMember(r *rest.Request) (*rest.Response, error) {
	return r.Show(apierror.User, memberView(r.Var(rest.VarProject), r.Var(rest.VarUser)))
}

// createMember creates a user that is a member of one project. An administrator of the
// project assigns roles in that project only, and no service roles.
func (h *Handlers) createMember(r *rest.Request) (*rest.Response, error) {
	in, project, name := r.Body.(*wire.UserInput), r.Var(rest.VarProject), r.Var(rest.VarUser)
	if err := onlyProject(in.Projects, project); err != nil {
		return nil, err
	}
	if len(in.Projects) == 0 {
		return nil, checkRoles(nil)
	}
	created, err := prepareUser(r, name, in)
	if err != nil {
		return nil, err
	}
	view, guess := memberView(project, name), h.guesses.limiter(r)
	next, err := r.Commit(apierror.User, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if (len(in.ServiceRoles) > 0 || in.ConnectionTypes != nil) && !r.IsServiceAdmin() {
			return nil, apierror.Forbidden()
		}
		if err := checkMemberQuota(r, s, project); err != nil {
			return nil, err
		}
		return guess.lookUp(func() ([]directory.Entry, error) { return created.entries(r, s) })
	})
	if err != nil {
		return nil, err
	}
	return showWithKey(r, next, view, created.key, wire.DefaultKey)
}

// onlyProject refuses roles in other projects.
func onlyProject(memberships []wire.ProjectRoles, project string) error {
	for i := range memberships {
		if memberships[i].Project == "" {
			memberships[i].Project = project
		}
		if err := checkSameProject(memberships[i].Project, project); err != nil {
			return err
		}
	}
	return nil
}

func checkSameProject(name, project string) error {
	if name != project {
		return apierror.InvalidProject(name, "expected "+project+", the project in the path")
	}
	return nil
}

// updateMember changes roles only. Clients send the whole user as AMS returned it, so the
// other fields are ignored.
func updateMember(r *rest.Request) (*rest.Response, error) {
	in, project, name := r.Body.(*wire.UserInput), r.Var(rest.VarProject), r.Var(rest.VarUser)
	if err := onlyProject(in.Projects, project); err != nil {
		return nil, err
	}
	if len(in.Projects) != 1 {
		return nil, r.InvalidBody(errOneProject)
	}
	roles := in.Projects[0].Roles
	if err := checkRoles(roles); err != nil {
		return nil, err
	}
	view := memberView(project, name)
	next, err := r.Commit(apierror.User, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, ok := s.Member(project, name); !ok {
			return nil, apierror.NotFound(apierror.User)
		}
		return putMember(s, project, name, roles), nil
	})
	if err != nil {
		return nil, err
	}
	return r.ShowCommitted(next, view)
}

func putMember(s *snapshot.Snapshot, project, name string, roles []string) []directory.Entry {
	p, _ := s.Project(project)
	u, _ := s.User(name)
	return directory.Put(directory.MemberKey(p.ID, u.ID), &directory.Member{Roles: rolesOf(roles)})
}

func (h *Handlers) addMember(r *rest.Request) (*rest.Response, error) {
	in, project, name := r.Body.(*wire.ProjectRoles), r.Var(rest.VarProject), r.Var(rest.VarUser)
	if in.Project != "" {
		if err := checkSameProject(in.Project, project); err != nil {
			return nil, err
		}
	}
	if err := checkRoles(in.Roles); err != nil {
		return nil, err
	}
	view, guess := memberView(project, name), h.guesses.limiter(r)
	next, err := r.Commit(apierror.User, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, ok := s.Member(project, name); ok {
			return nil, apierror.Conflict("User is already a member of the project")
		}
		if err := checkMemberQuota(r, s, project); err != nil {
			return nil, err
		}
		return guess.lookUp(func() ([]directory.Entry, error) {
			change := func() []directory.Entry { return putMember(s, project, name, in.Roles) }
			if err := h.checkAdd(r, s, project, name, change); err != nil {
				return nil, err
			}
			return change(), nil
		})
	})
	if err != nil {
		return nil, err
	}
	return r.ShowCommitted(next, view)
}

// checkAdd checks that the caller may add a user to a project by a change. An administrator
// of the project may not
//   - give a user a second account: the user's client would be denied until it says
//     which one it wants,
//   - reduce what the user gets elsewhere,
//   - take a user without roles that somebody else created.
//
// In these cases the error is the same as for a user that does not exist.
func (h *Handlers) checkAdd(r *rest.Request, s *snapshot.Snapshot, project, name string, change func() []directory.Entry) error {
	u, ok := s.User(name)
	switch {
	case r.IsServiceAdmin() && !ok:
		return apierror.NotFoundNamed(apierror.User, name)
	case r.IsServiceAdmin():
		return nil
	case !ok || h.hasOtherAccount(s, u, project) || isForeign(r, s, u) || len(r.Harmed(s, project, change())) > 0:
		return apierror.NotFound(apierror.User).
			WithDetails("if the user exists, only a service_admin can add it: it has roles elsewhere that this change would affect, or it has no roles and somebody else created it")
	default:
		return nil
	}
}

// isForeign reports whether a user has no role and was not created by the caller. Such a user
// belongs to its creator until a service_admin gives it a role.
func isForeign(r *rest.Request, s *snapshot.Snapshot, u *directory.User) bool {
	facts, _ := s.Facts(u.Name, "")
	return len(u.ServiceRoles) == 0 && len(facts.Memberships) == 0 && u.Made.By != r.Caller.ID
}

// hasOtherAccount reports whether a user has a role in another account than the project's.
func (h *Handlers) hasOtherAccount(s *snapshot.Snapshot, u *directory.User, project string) bool {
	p, _ := s.Project(project)
	for _, role := range u.ServiceRoles {
		if h.cfg.Policy.AccountOf(role) != p.Account {
			return true
		}
	}
	facts, _ := s.Facts(u.Name, "")
	return slices.ContainsFunc(facts.Memberships, func(m directory.Membership) bool { return m.Project.Account != p.Account })
}

func removeMember(r *rest.Request) (*rest.Response, error) {
	project, name := r.Var(rest.VarProject), r.Var(rest.VarUser)
	_, err := r.Commit(apierror.User, memberView(project, name), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, ok := s.Member(project, name); !ok {
			return nil, apierror.NotFound(apierror.User)
		}
		p, _ := s.Project(project)
		u, _ := s.User(name)
		return s.RemoveMember(p.ID, u.ID), nil
	})
	return &rest.Response{Body: wire.Empty{}}, err
}

// checkMemberQuota checks that the caller may give a project another member.
func checkMemberQuota(r *rest.Request, s *snapshot.Snapshot, project string) error {
	if r.IsServiceAdmin() {
		return nil
	}
	n := 0
	for range s.Members(project) {
		if n++; n >= maxMembers {
			return apierror.QuotaReached("%d members", maxMembers)
		}
	}
	return nil
}
