package users

import (
	"iter"
	"slices"

	"github.com/google/uuid"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

func listUsers(r *rest.Request) (*rest.Response, error) {
	all := r.Snapshot.Users()
	if project := r.Query(rest.VarProject); project != "" {
		if _, ok := r.Snapshot.Project(project); !ok {
			return nil, apierror.NotFoundNamed(apierror.Project, project)
		}
		all = keys(r.Snapshot.Members(project))
	}
	return userList(r, all, func(u *directory.User) wire.User { return userOf(r.Snapshot, u) })
}

func userList(r *rest.Request, all iter.Seq[*directory.User], show func(*directory.User) wire.User) (*rest.Response, error) {
	page, err := rest.PageOf(r, all, func(u *directory.User) rest.Position { return rest.Position{Created: u.Made.Created, Name: u.Name} })
	if err != nil {
		return nil, err
	}
	out := wire.UserList{Users: []wire.User{}, NextPageToken: page.Next, TotalSize: page.Total}
	for _, u := range page.Items {
		out.Users = append(out.Users, show(u))
	}
	return &rest.Response{Body: out}, nil
}

// keys returns the first values of pairs.
func keys[K, V any](pairs iter.Seq2[K, V]) iter.Seq[K] {
	return func(yield func(K) bool) {
		for k := range pairs {
			if !yield(k) {
				return
			}
		}
	}
}

func showUser(r *rest.Request) (*rest.Response, error) {
	name := r.Var(rest.VarUser)
	return r.Show(apierror.User, userView(&name))
}

func showProfile(r *rest.Request) (*rest.Response, error) {
	if _, ok := r.Service(); ok {
		return r.Show(apierror.User, func(*snapshot.Snapshot) (any, uint64, bool) { return serviceOf(r), 1, true })
	}
	return r.Show(apierror.User, userView(&r.Caller.Name))
}

func showUserByUUID(r *rest.Request) (*rest.Response, error) {
	id, err := uuid.Parse(r.Var(rest.VarUUID))
	if err != nil {
		return nil, apierror.InvalidReference(rest.VarUUID, apierror.UUIDShape)
	}
	u, ok := r.Snapshot.UserByID(id)
	if !ok {
		return nil, apierror.NotFound(apierror.User)
	}
	return r.Show(apierror.User, userView(&u.Name))
}

func (h *Handlers) showPermissions(r *rest.Request) (*rest.Response, error) {
	name, project := r.Var(rest.VarUser), r.Query(rest.VarProject)
	if _, ok := r.Snapshot.User(name); !ok {
		return nil, apierror.NotFound(apierror.User)
	}
	if _, ok := r.Snapshot.Project(project); !ok && project != "" {
		return nil, apierror.NotFoundNamed(apierror.Project, project)
	}
	return &rest.Response{Body: h.cfg.Explain(name, project)}, nil
}

func createUser(r *rest.Request) (*rest.Response, error) {
	in, name := r.Body.(*wire.UserInput), r.Var(rest.VarUser)
	created, err := prepareUser(r, name, in)
	if err != nil {
		return nil, err
	}
	view := userView(&name)
	next, err := r.Commit(apierror.User, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) { return created.entries(r, s) })
	if err != nil {
		return nil, err
	}
	return showWithKey(r, next, view, created.key, wire.DefaultKey)
}

func updateUser(r *rest.Request) (*rest.Response, error) {
	in, name := r.Body.(*wire.UserInput), r.Var(rest.VarUser)
	before, after := name, name
	rest.Set(&after, in.Name)
	if after != before {
		if err := r.CheckNewName(rest.VarUser, after); err != nil {
			return nil, err
		}
	}
	if err := checkUser(r, in); err != nil {
		return nil, err
	}
	next, err := r.Commit(apierror.User, userView(&before), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		old, ok := s.User(before)
		if !ok {
			return nil, apierror.NotFound(apierror.User)
		}
		if _, taken := s.User(after); taken && after != before {
			return nil, apierror.AlreadyExists(apierror.User)
		}
		if after != before && s.HasUnreadable(directory.KindUser) {
			return nil, apierror.NameUnknown(apierror.User)
		}
		u := *old
		u.Name, u.Made.Modified = after, r.Now()
		apply(&u, in)
		return setMemberships(s, old, in.Projects, directory.Put(directory.UserKey(u.ID), &u))
	})
	if err != nil {
		return nil, err
	}
	return r.ShowCommitted(next, userView(&after))
}

// setMemberships appends to a change the entries that give a user exactly these
// memberships; nil: they stay as they are.
func setMemberships(s *snapshot.Snapshot, u *directory.User, memberships []wire.ProjectRoles, change []directory.Entry) ([]directory.Entry, error) {
	if memberships == nil {
		return change, nil
	}
	keep := map[uuid.UUID]bool{}
	for _, m := range memberships {
		p, err := findProject(s, m.Project)
		if err != nil {
			return nil, err
		}
		keep[p.ID] = true
		if old, ok := s.Member(m.Project, u.Name); !ok || !slices.Equal(old.Roles, rolesOf(m.Roles)) {
			change = append(change, directory.Entry{Key: directory.MemberKey(p.ID, u.ID), Value: &directory.Member{Roles: rolesOf(m.Roles)}})
		}
	}
	facts, _ := s.Facts(u.Name, "")
	for i := range facts.Memberships {
		if p := facts.Memberships[i].Project; !keep[p.ID] {
			change = append(change, s.RemoveMember(p.ID, u.ID)...)
		}
	}
	return change, nil
}

// findProject returns a project that a body names.
func findProject(s *snapshot.Snapshot, name string) (*directory.Project, error) {
	p, ok := s.Project(name)
	if !ok {
		return nil, apierror.InvalidProject(name, "there is no such project")
	}
	return p, nil
}

func deleteUser(r *rest.Request) (*rest.Response, error) {
	name := r.Var(rest.VarUser)
	_, err := r.Commit(apierror.User, userView(&name), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, ok := s.User(name)
		if !ok {
			return nil, apierror.NotFound(apierror.User)
		}
		return s.RemoveUser(u.ID), nil
	})
	return &rest.Response{}, err
}
