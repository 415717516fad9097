package projects

import (
	"context"
	"errors"
	"fmt"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/directory"
	"usher/directory/snapshot"
)

// removeWithAccount removes a project, and closes its account if that was created for the
// project and no other project uses it. remove receives that account, or an empty name.
// If the project is not in the directory any more, it closes the account that the project left.
func (h *Handlers) removeWithAccount(r *rest.Request, name string, purge bool, remove func(account string) error) error {
	if h.cfg.Accounts == nil {
		if purge && h.cfg.Streams == nil {
			return apierror.Invalid("This service closes no accounts, and so deletes no streams: run usher project rm -c usher.yaml --purge on the machine that has the operator's key")
		}
		return remove("")
	}
	s := r.Store().Snapshot()
	if s == nil {
		return apierror.Unavailable(nil)
	}
	account, exists := "", false
	if p, ok := s.Project(name); ok {
		account, exists = p.Account, true
	}
	own, err := h.ownAccount(s, name, account)
	switch {
	case err != nil:
		return apierror.AccountUnavailable("read", err)
	case own == "" && !exists:
		return apierror.NotFound(apierror.Project)
	case own == "" || projectIn(s, own, name) != "":
		if purge && h.cfg.Streams == nil {
			return apierror.Conflict("Account %s is used by other projects too", apierror.SafeName(account))
		}
		return remove("")
	}
	allowed, refused := reauthorizer(r)
	err = h.cfg.Accounts.Close(r.Context(), own, name, purge, allowed, func(context.Context) error {
		if exists {
			*refused = remove(own)
		} else {
			*refused = checkUnused(r, own, name)
		}
		return *refused
	})
	switch {
	case *refused != nil:
		return *refused
	case err != nil:
		return apierror.AccountUnavailable("closed", err)
	}
	return nil
}

// ownAccount returns the account that was created for a project; empty: there is none.
// account is the one that the project uses now; empty: the project does not exist. A
// project that was moved to another account still has its old one, unless another project
// uses it.
func (h *Handlers) ownAccount(s *snapshot.Snapshot, project, account string) (own string, err error) {
	if account != "" {
		created, err := h.cfg.Accounts.Created()
		if err != nil {
			return "", err
		}
		if _, ok := created[account]; ok {
			return account, nil
		}
	}
	left, err := h.cfg.Accounts.LeftBy(project)
	if err != nil {
		return "", fmt.Errorf("account of project %s: %w", project, err)
	}
	if left != "" && projectIn(s, left, "") != "" {
		return "", nil
	}
	return left, nil
}

// errUnused is not a failure: it ends a change that has nothing to write.
var errUnused = errors.New("the account is unused")

// checkUnused checks that no project uses the account that a project has left: neither
// the project itself again nor another one. It also checks the caller's rights. It does
// so in a change that writes nothing, because a change sees the store's current
// directory, and the snapshot of this replica may be older.
func checkUnused(r *rest.Request, account, project string) error {
	_, err := r.Commit(apierror.Project, projectView(&project), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, ok := s.Project(project); ok {
			return nil, apierror.Conflict("Project %s has been created again", apierror.SafeName(project))
		}
		if other := projectIn(s, account, project); other != "" {
			return nil, projectMovedIn(other)
		}
		return nil, errUnused
	})
	if errors.Is(err, errUnused) {
		return nil
	}
	return err
}

// projectMovedIn refuses to close an account that another project now uses.
func projectMovedIn(other string) *apierror.Error {
	return apierror.Conflict("Project %s has moved into the account", apierror.SafeName(other))
}
