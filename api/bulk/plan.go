package bulk

import (
	"errors"
	"fmt"

	"usher/api/apierror"
	"usher/api/projects"
	"usher/api/rest"
	"usher/directory"
	"usher/directory/file"
	"usher/directory/snapshot"
	"usher/directory/transfer"
)

// maxProblems is how many problems of a file a response lists.
const maxProblems = 50

const hintAccount = "give the project another account"

var errEmpty = errors.New("the body contains no directory; write an empty directory as users: []")

// plan reads the body, and compares it with the directory.
func (h *Handlers) plan(r *rest.Request, replace bool) (*transfer.Plan, projects.Placement, error) {
	var placement projects.Placement
	text, err := r.ReadText()
	if err != nil {
		return nil, placement, err
	}
	records, src, err := file.Parse("body", text)
	if err != nil {
		return nil, placement, invalidFile(r, err)
	}
	if !src.Has("users") && !src.Has("projects") {
		return nil, placement, r.InvalidBody(errEmpty)
	}
	created, problems := h.setAccounts(r.Snapshot, &records, r.Query(paramAccount))
	placement.Created = created
	for i := range records.Projects {
		p := &records.Projects[i]
		placement.Used = append(placement.Used, p.Account)
		if err := h.cfg.Projects.CheckAccount(p.Account); err != nil {
			problems = append(problems, directory.Problem{Path: accountPath(i), Message: err.Error(), Hint: hintAccount})
		}
	}
	if len(problems) > 0 {
		return nil, placement, invalidFile(r, file.Locate(src, problems))
	}
	// A slow client may have sent the body for a long time. Check the caller again, and plan
	// on the current directory.
	if err := r.Reauthorize(r.Store().Snapshot()); err != nil {
		return nil, placement, err
	}
	plan, err := transfer.New(r.Snapshot, records, transfer.Options{
		Replace: replace, Now: r.Now(), By: r.Caller.ID,
		Seal: func(p *directory.Project, sub, header string, was *directory.PushAuthorization) (*directory.PushAuthorization, error) {
			return h.cfg.Seal(r.Context(), p, sub, header, was)
		},
	})
	var sealing *apierror.Error
	switch {
	case errors.As(err, &problems):
		return nil, placement, invalidFile(r, file.Locate(src, problems))
	case errors.As(err, &sealing):
		return nil, placement, err
	case err != nil: // the file is valid, but its result would not be
		return nil, placement, apierror.Conflict("%s", err).WithCause(err)
	}
	return plan, placement, nil
}

func accountPath(i int) string { return fmt.Sprintf("projects[%d].account", i) }

// setAccounts sets the account of projects that set none: account, or else the one that
// an existing project has, or else one of its own if the service creates accounts. It
// returns the projects whose accounts must be created.
func (h *Handlers) setAccounts(s *snapshot.Snapshot, records *directory.Records, account string) (created []string, problems directory.Problems) {
	createsAccounts := h.cfg.Projects.CreatesAccounts()
	if account == "" && !createsAccounts && !h.cfg.AccountRequired {
		account = h.cfg.DefaultAccount
	}
	users := map[string]string{} // a project that uses an account, by account
	for p := range s.Projects() {
		if p.Account != p.Name {
			users[p.Account] = p.Name
		}
	}
	for i := range records.Projects {
		users[records.Projects[i].Account] = records.Projects[i].Name
	}
	for i := range records.Projects {
		p := &records.Projects[i]
		old, exists := s.Project(p.Name)
		switch {
		case p.Account != "":
		case account != "":
			p.Account = account
		case exists:
			p.Account = old.Account
		case !createsAccounts && !h.cfg.AccountRequired: // the directory reports the missing account
		case !createsAccounts:
			problems = append(problems, directory.Problem{
				Path: accountPath(i), Message: "is missing, and this service creates no accounts (operator.create_accounts)",
				Hint: "usher directory import -c creates them on the machine that has the operator's key; or set the account",
			})
		case users[p.Name] != "":
			problems = append(problems, directory.Problem{Path: accountPath(i), Message: "would be " + apierror.SafeName(p.Name) + ", which another project uses", Hint: hintAccount})
		default:
			p.Account = p.Name
			created = append(created, p.Name)
		}
	}
	return created, problems
}

// invalidFile lists what is wrong with a file, with lines.
func invalidFile(r *rest.Request, err error) *apierror.Error {
	e := r.InvalidBody(err)
	e.Details = file.Lines(err)
	if len(e.Details) > maxProblems {
		e.Details = append(e.Details[:maxProblems], "and more")
	}
	return e
}
