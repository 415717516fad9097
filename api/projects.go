package api

import (
	"fmt"
	"slices"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/secret"
)

// projectView shows the project of this name. The name is read when the view is
// used: a change may give another one.
func projectView(name *string) view {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		p, ok := s.Project(*name)
		if !ok {
			return nil, 0, false
		}
		return shownProject(s, p), p.Revision, true
	}
}

func listProjects(c *call) (*answer, error) {
	s := c.snapshot
	found, next, total, err := page(c, s.Projects(), func(p *directory.Project) position { return position{p.Made.Created, p.Name} })
	if err != nil {
		return nil, err
	}
	out := wire.ProjectList{Projects: []wire.Project{}, NextPageToken: next, TotalSize: total}
	for _, p := range found {
		out.Projects = append(out.Projects, shownProject(s, p))
	}
	return &answer{body: out}, nil
}

func showProject(c *call) (*answer, error) {
	name := c.vars[varProject]
	return c.show(c.snapshot, whatProject, projectView(&name))
}

func createProject(c *call) (*answer, error) {
	in, name := c.body.(*wire.ProjectInput), c.vars[varProject]
	if err := c.checkProject(in, name); err != nil {
		return nil, err
	}
	if in.Name != nil && *in.Name != name {
		return nil, c.arguments(errOtherName)
	}
	account, own := "", false
	if in.Account == nil {
		var err error
		if account, own, err = c.account(name); err != nil {
			return nil, err
		}
	}
	id, err := c.newUUID()
	if err != nil {
		return nil, err
	}
	at := projectView(&name)
	next, err := c.alter(whatProject, at, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, ok := s.Project(name); ok {
			return nil, exists(whatProject)
		}
		if s.Obscures(directory.KindProject) {
			return nil, obscured(whatProject)
		}
		if other := inhabitant(s, name, name); own && other != "" {
			return nil, inhabited(name, other)
		}
		p := &directory.Project{Name: name, Account: account, Made: c.made()}
		set(&p.Account, in.Account)
		if err := c.takes(ownOf(account, own), []string{p.Account}); err != nil {
			return nil, err
		}
		set(&p.Description, in.Description)
		return directory.Put(directory.ProjectKey(id), p), nil
	})
	if err != nil {
		return nil, err
	}
	return c.changed(next, at)
}

// ownOf lists the account that was made for a project, if one was.
func ownOf(account string, own bool) []string {
	if own {
		return []string{account}
	}
	return nil
}

func updateProject(c *call) (*answer, error) {
	in, name := c.body.(*wire.ProjectInput), c.vars[varProject]
	before, after := name, name
	set(&after, in.Name)
	if err := c.checkProject(in, after); err != nil {
		return nil, err
	}
	next, err := c.alter(whatProject, projectView(&before), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		old, ok := s.Project(before)
		if !ok {
			return nil, notFound(whatProject)
		}
		if _, taken := s.Project(after); taken && after != before {
			return nil, exists(whatProject)
		}
		if after != before && s.Obscures(directory.KindProject) {
			return nil, obscured(whatProject)
		}
		moves := in.Account != nil && *in.Account != old.Account
		if (moves || after != before) && !c.isServiceAdmin() {
			return nil, forbidden() // other subjects would be the project's
		}
		if moves {
			if err := c.takes(nil, []string{*in.Account}); err != nil {
				return nil, err
			}
		}
		p := *old
		p.Name, p.Made.Modified = after, c.now()
		set(&p.Account, in.Account)
		set(&p.Description, in.Description)
		return directory.Put(directory.ProjectKey(p.ID), &p), nil
	})
	if err != nil {
		return nil, err
	}
	return c.changed(next, projectView(&after))
}

// checkProject checks what can be said without the directory.
func (c *call) checkProject(in *wire.ProjectInput, name string) error {
	if !sayable(in.Description) {
		return c.arguments(errText)
	}
	if in.Account != nil {
		if err := c.checkAccount(*in.Account); err != nil {
			return c.arguments(err)
		}
	}
	return c.newName(varProject, name)
}

// checkAccount refuses the accounts in which no client is ever placed.
func (c *call) checkAccount(account string) error {
	if slices.Contains(c.cfg.Reserved, account) {
		return fmt.Errorf("account %s is the callout account or the system account, where no client is placed", secret.Name(account))
	}
	return nil
}

const hintAccount = "give the project another account"

func deleteProject(c *call) (*answer, error) {
	name, purge := c.vars[varProject], c.r.URL.Query().Get(paramPurge)
	if purge != "" && purge != "true" && purge != "false" {
		return nil, invalid("Invalid purge")
	}
	return &answer{}, c.closeAccount(name, purge == "true", func(account string) error {
		_, err := c.alter(whatProject, projectView(&name), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
			p, ok := s.Project(name)
			if !ok {
				return nil, notFound(whatProject)
			}
			if other := inhabitant(s, account, name); account != "" && other != "" {
				return nil, cameIn(other)
			}
			return s.RemoveProject(p.ID), nil
		})
		return err
	})
}

// set changes a value if the request states it.
func set[T any](value, stated *T) {
	if stated != nil {
		*value = *stated
	}
}
