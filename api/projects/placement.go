package projects

import (
	"errors"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/directory"
	"usher/directory/snapshot"
)

// projectIn returns a project that uses an account, except one; empty: there is none.
func projectIn(s *snapshot.Snapshot, account, except string) string {
	for p := range s.Projects() {
		if p.Account == account && p.Name != except {
			return p.Name
		}
	}
	return ""
}

// accountRequired refuses a project that sets no account where it has to.
func accountRequired() *apierror.Error {
	return apierror.Invalid("Invalid project account").WithDetails(
		"the project sets no account, and this service creates none (operator.create_accounts)",
		"usher project add -c creates one on the machine that has the operator's key; --account ACCOUNT puts the project into an existing account",
	)
}

// accountUsed refuses an account of its own to a project, because another project uses it.
func accountUsed(account, project string) *apierror.Error {
	return apierror.Conflict("Account %s is that of another project", apierror.SafeName(account)).
		WithDetails("project " + apierror.SafeName(project) + " uses it: choose another name, or set the account to share it")
}

// accountFor returns the account of a new project that sets none. It creates the account
// if the project gets one of its own.
func (h *Handlers) accountFor(r *rest.Request, project string) (account string, own bool, err error) {
	if h.cfg.Accounts == nil {
		if h.cfg.AccountRequired {
			return "", false, accountRequired()
		}
		if err := h.CheckAccount(h.cfg.DefaultAccount); err != nil {
			return "", false, r.InvalidBody(err)
		}
		return h.cfg.DefaultAccount, false, nil
	}
	s := r.Store().Snapshot()
	if s == nil {
		return "", false, apierror.Unavailable(nil)
	}
	if err := r.Reauthorize(s); err != nil {
		return "", false, err
	}
	if _, ok := s.Project(project); ok {
		return "", false, apierror.AlreadyExists(apierror.Project)
	}
	if s.HasUnreadable(directory.KindProject) {
		return "", false, apierror.NameUnknown(apierror.Project)
	}
	if other := projectIn(s, project, project); other != "" {
		return "", false, accountUsed(project, other)
	}
	// Do not create an account for a project that the directory would refuse.
	p := &directory.Project{Name: project, Account: project}
	if _, err := s.Try(directory.Put(directory.ProjectKey(directory.IDOf(directory.KindProject, project)), p)); err != nil {
		return "", false, err
	}
	return project, true, h.CreateAccounts(r, []string{project}, nil)
}

// CreateAccounts creates accounts of projects.
func (h *Handlers) CreateAccounts(r *rest.Request, projects []string, progress func(done, total int)) error {
	if len(projects) == 0 {
		return nil
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	allowed, refused := reauthorizer(r)
	err := h.cfg.Accounts.Create(r.Context(), projects, allowed, progress)
	switch {
	case err == nil:
		return nil
	case *refused != nil:
		return *refused
	case errors.Is(err, ErrAccountTaken):
		return apierror.Conflict("An account of this name exists, and was not created for this project").
			WithDetails("choose another name, or set the account to share it").WithCause(err)
	default:
		return apierror.AccountUnavailable("created", err)
	}
}

// reauthorizer returns a function that checks the caller's rights in the current
// snapshot, and the last error of that function.
func reauthorizer(r *rest.Request) (allowed func() error, refused *error) {
	refused = new(error)
	return func() error {
		*refused = r.Reauthorize(r.Store().Snapshot())
		return *refused
	}, refused
}

// Placement is which accounts a change puts projects into.
type Placement struct {
	Created []string // accounts created for these projects; they must still exist
	Used    []string // accounts that the projects set
}

var errClosed = errors.New("another request closed the account")

// CheckPlacement checks that none of the accounts is being closed. It must be called
// inside the change: Close marks the account first, and then looks at the directory.
func (h *Handlers) CheckPlacement(p Placement) error {
	if h.cfg.Accounts == nil || len(p.Created)+len(p.Used) == 0 {
		return nil
	}
	accounts, err := h.cfg.Accounts.Created()
	if err != nil {
		return apierror.AccountUnavailable("read", err)
	}
	for _, name := range p.Created {
		if a, ok := accounts[name]; !ok || a.Closing {
			return apierror.AccountUnavailable("created", errClosed)
		}
	}
	for _, name := range p.Used {
		if accounts[name].Closing {
			return apierror.Conflict("Account %s is being closed", apierror.SafeName(name)).
				WithDetails("choose another account, or try again after it is closed")
		}
	}
	return nil
}
