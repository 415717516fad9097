package projects

import (
	"fmt"
	"slices"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/secret"
)

func listProjects(r *rest.Request) (*rest.Response, error) {
	s := r.Snapshot
	page, err := rest.PageOf(r, s.Projects(), func(p *directory.Project) rest.Position { return rest.Position{Created: p.Made.Created, Name: p.Name} })
	if err != nil {
		return nil, err
	}
	out := wire.ProjectList{Projects: []wire.Project{}, NextPageToken: page.Next, TotalSize: page.Total}
	for _, p := range page.Items {
		out.Projects = append(out.Projects, projectOf(s, p))
	}
	return &rest.Response{Body: out}, nil
}

func showProject(r *rest.Request) (*rest.Response, error) {
	name := r.Var(rest.VarProject)
	return r.Show(apierror.Project, projectView(&name))
}

func (h *Handlers) createProject(r *rest.Request) (*rest.Response, error) {
	in, name := r.Body.(*wire.ProjectInput), r.Var(rest.VarProject)
	if err := h.checkProject(r, in, name); err != nil {
		return nil, err
	}
	if in.Name != nil && *in.Name != name {
		return nil, r.InvalidBody(rest.ErrOtherName)
	}
	account, own := "", false
	if in.Account == nil {
		var err error
		if account, own, err = h.accountFor(r, name); err != nil {
			return nil, err
		}
	}
	id, err := r.NewUUID()
	if err != nil {
		return nil, err
	}
	view := projectView(&name)
	next, err := r.Commit(apierror.Project, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, ok := s.Project(name); ok {
			return nil, apierror.AlreadyExists(apierror.Project)
		}
		if s.HasUnreadable(directory.KindProject) {
			return nil, apierror.NameUnknown(apierror.Project)
		}
		if other := projectIn(s, name, name); own && other != "" {
			return nil, accountUsed(name, other)
		}
		p := &directory.Project{Name: name, Account: account, Made: r.Made()}
		rest.Set(&p.Account, in.Account)
		placement := Placement{Used: []string{p.Account}}
		if own {
			placement.Created = []string{account}
		}
		if err := h.CheckPlacement(placement); err != nil {
			return nil, err
		}
		rest.Set(&p.Description, in.Description)
		return directory.Put(directory.ProjectKey(id), p), nil
	})
	if err != nil {
		return nil, err
	}
	return r.ShowCommitted(next, view)
}

func (h *Handlers) updateProject(r *rest.Request) (*rest.Response, error) {
	in, name := r.Body.(*wire.ProjectInput), r.Var(rest.VarProject)
	before, after := name, name
	rest.Set(&after, in.Name)
	if err := h.checkProject(r, in, after); err != nil {
		return nil, err
	}
	var was *directory.Project
	next, err := r.Commit(apierror.Project, projectView(&before), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		old, ok := s.Project(before)
		if !ok {
			return nil, apierror.NotFound(apierror.Project)
		}
		was = old
		if _, taken := s.Project(after); taken && after != before {
			return nil, apierror.AlreadyExists(apierror.Project)
		}
		if after != before && s.HasUnreadable(directory.KindProject) {
			return nil, apierror.NameUnknown(apierror.Project)
		}
		moves := in.Account != nil && *in.Account != old.Account
		if (moves || after != before) && !r.IsServiceAdmin() {
			return nil, apierror.Forbidden() // name and account decide which subjects the project has
		}
		if moves {
			if err := h.CheckPlacement(Placement{Used: []string{*in.Account}}); err != nil {
				return nil, err
			}
		}
		p := *old
		p.Name, p.Made.Modified = after, r.Now()
		rest.Set(&p.Account, in.Account)
		rest.Set(&p.Description, in.Description)
		return directory.Put(directory.ProjectKey(p.ID), &p), nil
	})
	if err != nil {
		return nil, err
	}
	response, err := r.ShowCommitted(next, projectView(&after))
	if err == nil {
		h.moveStreams(r, response, next, was, after)
	}
	return response, err
}

// checkProject checks what does not depend on the directory.
func (h *Handlers) checkProject(r *rest.Request, in *wire.ProjectInput, name string) error {
	if err := rest.CheckTexts(in.Description); err != nil {
		return r.InvalidBody(err)
	}
	if in.Account != nil {
		if err := h.CheckAccount(*in.Account); err != nil {
			return r.InvalidBody(err)
		}
	}
	return r.CheckNewName(rest.VarProject, name)
}

// CheckAccount refuses the accounts that no client is ever placed in.
func (h *Handlers) CheckAccount(account string) error {
	if slices.Contains(h.cfg.Reserved, account) {
		return fmt.Errorf("account %s is the callout account or the system account; no client is placed there", secret.Name(account))
	}
	return nil
}

func (h *Handlers) deleteProject(r *rest.Request) (*rest.Response, error) {
	name := r.Var(rest.VarProject)
	purge, err := r.Flag(paramPurge)
	if err != nil {
		return nil, err
	}
	if err := h.checkLoss(r, apierror.Project, name, "", ""); err != nil {
		return nil, err
	}
	response := &rest.Response{}
	err = h.removeWithAccount(r, name, purge, func(account string) error {
		var before *directory.Project
		next, err := r.Commit(apierror.Project, projectView(&name), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
			p, ok := s.Project(name)
			before = p
			if !ok {
				return nil, apierror.NotFound(apierror.Project)
			}
			if other := projectIn(s, account, name); account != "" && other != "" {
				return nil, projectMovedIn(other)
			}
			return s.RemoveProject(p.ID), nil
		})
		if err == nil {
			h.removeStreams(r, response, next, before, "", "")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return response, nil
}
