package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
)

// Accounts makes and closes accounts of projects in operator mode.
type Accounts interface {
	// Open gives each of these projects an account of its own, which is named as the
	// project is. ErrAccountTaken: somebody else has made an account of that name.
	// After any other error the same call goes on where this one has stopped. may is
	// asked when it is this call's turn, and again before each JWT that is signed; its
	// error ends the call.
	Open(ctx context.Context, projects []string, may func() error, progress func(done, total int)) error
	// Made returns by name the accounts that were made for projects, as they are now.
	Made() (map[string]MadeAccount, error)
	// Closing returns the account that was made for a project which is in the directory
	// no more, or never was; empty: there is none.
	Closing(project string) (account string, err error)
	// Close closes an account that was made for a project. may is asked when it is this
	// call's turn. From then on Made says that the account is being closed, and remove
	// takes the project out of the directory, or makes sure that it is not there; what it
	// fails with leaves the account as it was. purge deletes the account's streams.
	Close(ctx context.Context, account, project string, purge bool, may func() error, remove func(context.Context) error) error
}

// MadeAccount is an account that was made for a project.
type MadeAccount struct {
	Closing bool // nobody gets in any more, and no project may come into it
}

// ErrAccountTaken: an account of this name is there, and was not made for the project.
var ErrAccountTaken = errors.New("the account is there already, and was not made for this project")

// accountLimit is how long an account may take to be made, or to be closed.
const accountLimit = 3 * time.Minute

// paramPurge has the streams of an account deleted with its project.
const paramPurge = "purge"

// inhabitant returns a project that is in an account, but for one; empty: nobody is.
func inhabitant(s *snapshot.Snapshot, account, but string) string {
	for p := range s.Projects() {
		if p.Account == account && p.Name != but {
			return p.Name
		}
	}
	return ""
}

// needsAccount says that a project has to state its account here.
func needsAccount() *failure {
	f := invalid("Invalid project account")
	f.details = []string{
		"this service makes no accounts (operator.create_accounts), and the project states none",
		"usher project add -c makes one, where the operator's key is; --account ACCOUNT puts the project into one that is there",
	}
	return f
}

// inhabited: an account that a project would get for itself has another in it.
func inhabited(account, project string) *failure {
	f := conflict("Account %s is that of another project", shownName(account))
	f.details = []string{"project " + shownName(project) + " is in it: choose another name, or state the account to share it"}
	return f
}

// account returns the account of a new project that states none, and makes it if it
// gets one of its own.
func (c *call) account(project string) (account string, own bool, err error) {
	switch {
	case c.cfg.Accounts == nil && c.cfg.AccountStated:
		return "", false, needsAccount()
	case c.cfg.Accounts == nil:
		return c.cfg.DefaultAccount, false, c.arguable(c.checkAccount(c.cfg.DefaultAccount))
	}
	s := c.cfg.Store.Snapshot()
	if s == nil {
		return "", false, unavailable(nil)
	}
	if err := c.permitted(s); err != nil {
		return "", false, err
	}
	if _, ok := s.Project(project); ok {
		return "", false, exists(whatProject)
	}
	if s.Obscures(directory.KindProject) {
		return "", false, obscured(whatProject)
	}
	if other := inhabitant(s, project, project); other != "" {
		return "", false, inhabited(project, other)
	}
	// What the directory would refuse gets no account either.
	p := &directory.Project{Name: project, Account: project}
	if _, err := s.Try(directory.Put(directory.ProjectKey(directory.IDOf(directory.KindProject, project)), p)); err != nil {
		return "", false, err
	}
	return project, true, c.openAccounts([]string{project}, nil)
}

// arguable makes a failure of what is wrong with the arguments.
func (c *call) arguable(err error) error {
	if err == nil {
		return nil
	}
	return c.arguments(err)
}

// openAccounts makes accounts of projects.
func (c *call) openAccounts(projects []string, progress func(done, total int)) error {
	if len(projects) == 0 {
		return nil
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	may, refused := c.allowed()
	err := c.cfg.Accounts.Open(c.r.Context(), projects, may, progress)
	switch {
	case err == nil:
		return nil
	case *refused != nil:
		return *refused
	case errors.Is(err, ErrAccountTaken):
		f := conflict("An account of this name is there already, and was not made for this project")
		f.details, f.cause = []string{"choose another name, or state the account to share it"}, err
		return f
	default:
		return unfinished("made", err)
	}
}

// allowed returns what looks again whether who asks still may, and what it has said
// last. It may have waited for its turn for long.
func (c *call) allowed() (may func() error, refused *error) {
	refused = new(error)
	return func() error {
		*refused = c.permitted(c.cfg.Store.Snapshot())
		return *refused
	}, refused
}

// errClosed: somebody has closed the account that was just made.
var errClosed = errors.New("the account was closed meanwhile")

// takes reports whether projects may come into accounts: none of them is being closed.
// own are those that were made for this, and have to be there still. It is asked where
// the change is made: Close marks the account first, and looks at the directory then.
func (c *call) takes(own, others []string) error {
	if c.cfg.Accounts == nil || len(own)+len(others) == 0 {
		return nil
	}
	made, err := c.cfg.Accounts.Made()
	if err != nil {
		return unfinished("looked at", err)
	}
	for _, account := range own {
		if m, ok := made[account]; !ok || m.Closing {
			return unfinished("made", errClosed)
		}
	}
	for _, account := range others {
		if made[account].Closing {
			f := conflict("Account %s is being closed", shownName(account))
			f.details = []string{"choose another account, or try again when it has gone"}
			return f
		}
	}
	return nil
}

// unfinished says that an account is on its way, and that the same request goes on.
func unfinished(what string, cause error) *failure {
	f := fail(http.StatusServiceUnavailable, "UNAVAILABLE", "The account cannot be %s now", what)
	f.details, f.cause = []string{"what was begun is kept: the same request goes on with it"}, cause
	return f
}

// closeAccount removes a project, and closes its account if that is its own.
// remove is told whose account goes along with the project; empty: none does.
func (c *call) closeAccount(name string, purge bool, remove func(account string) error) error {
	if c.cfg.Accounts == nil {
		if purge {
			return invalid("This service closes no accounts, and so it deletes no streams: usher project rm -c usher.yaml --purge does, where the operator's key is")
		}
		return remove("")
	}
	account, there := "", false
	s := c.cfg.Store.Snapshot()
	if s == nil {
		return unavailable(nil)
	}
	if p, ok := s.Project(name); ok {
		account, there = p.Account, true
	}
	own, err := c.ownAccount(s, &account, name, there)
	switch {
	case err != nil:
		return unfinished("looked at", err)
	case !own && !there:
		return notFound(whatProject)
	case !own || inhabitant(s, account, name) != "":
		if purge {
			return conflict("Account %s is not this project's alone", shownName(account))
		}
		return remove("")
	}
	may, refused := c.allowed()
	err = c.cfg.Accounts.Close(c.r.Context(), account, name, purge, may, func(context.Context) error {
		if there {
			*refused = remove(account)
		} else {
			*refused = c.left(account, name)
		}
		return *refused
	})
	switch {
	case *refused != nil:
		return *refused
	case err != nil:
		return unfinished("closed", err)
	}
	return nil
}

// errLeft: a project is not there, and nobody is in the account that it has left.
var errLeft = errors.New("left")

// left makes sure that an account is still what a project has left: neither is it back,
// nor has another one come in, and who asks still may close it. It changes nothing, and
// says so by an error: what is not changed is true of the directory of now, not only
// of what this replica has heard of it.
func (c *call) left(account, project string) error {
	_, err := c.alter(whatProject, projectView(&project), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, ok := s.Project(project); ok {
			return nil, conflict("Project %s is there again", shownName(project))
		}
		if other := inhabitant(s, account, project); other != "" {
			return nil, cameIn(other)
		}
		return nil, errLeft
	})
	if errors.Is(err, errLeft) {
		return nil
	}
	return err
}

// cameIn: the account that was to be closed has another project in it now.
func cameIn(other string) *failure {
	return conflict("Project %s has come into the account meanwhile", shownName(other))
}

// ownAccount reports whether the account of a project is one that was made for it. Of
// a project that has gone, or was moved elsewhere, it finds out which one that was.
func (c *call) ownAccount(s *snapshot.Snapshot, account *string, project string, there bool) (bool, error) {
	if there {
		made, err := c.cfg.Accounts.Made()
		if _, own := made[*account]; own || err != nil {
			return own, err
		}
	}
	left, err := c.cfg.Accounts.Closing(project)
	if err != nil {
		return false, fmt.Errorf("account of project %s: %w", project, err)
	}
	if left == "" || inhabitant(s, left, "") != "" {
		return false, nil
	}
	*account = left
	return true, nil
}
