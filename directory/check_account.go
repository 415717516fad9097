package directory

import (
	"strings"

	"github.com/google/uuid"

	"usher/internal/secret"
)

// isOutside reports whether there is such a user besides the records.
func (c *checker) isOutside(user string) bool {
	if c.outside == nil {
		return false
	}
	_, ok := c.outside.User(user)
	return ok
}

// alone reports whether an account is that of one project only.
func (c *checker) alone(account string) bool {
	if c.outside != nil {
		return c.outside.accounts[account].projects <= 1
	}
	return c.accounts[account] <= 1
}

// space checks that the subject that a topic states is inside its project's
// space, unless nobody else is in the account.
func (c *checker) space(at path, p *Project, subject string) {
	if strings.HasPrefix(subject, p.Name+".") || c.alone(p.Account) {
		return
	}
	first, _, _ := strings.Cut(subject, ".")
	if first != p.Name && c.accountOf(first) == p.Account {
		c.add(at, "subjects under a project's name belong to that project",
			"subject %s lies in project %s of the same account", secret.Name(subject), secret.Name(first))
		return
	}
	c.add(at, "begin it with "+p.Name+"., or give the project an account of its own",
		"subject %s lies outside of project %s, and other projects are in account %s too", secret.Name(subject), secret.Name(p.Name), secret.Name(p.Account))
}

// accountOf returns the account of a project; empty: there is no such project.
func (c *checker) accountOf(project string) string {
	if i, ok := c.projects[project]; ok {
		return c.records.Projects[i].Account
	}
	if c.outside != nil {
		if p, ok := c.outside.Project(project); ok {
			return p.Account
		}
	}
	return ""
}

// shared checks that a project does not join another one whose topics are spread
// over the account. Where the records are all there is, those topics are at fault.
func (c *checker) shared(at path, p *Project) {
	if c.outside == nil || c.alone(p.Account) {
		return
	}
	own := 0
	for i := range p.Topics {
		if s := p.Topics[i].Subject; s != "" && !strings.HasPrefix(s, p.Name+".") {
			own++
		}
	}
	if c.outside.accounts[p.Account].roaming > own {
		c.add(at, "choose another account", "account %s is another project's, whose topics have subjects all over it", secret.Name(p.Account))
	}
}

// ids checks that no id stands twice. Those that follow from a name may be the
// ones that others state.
func (c *checker) ids() {
	seen := map[uuid.UUID]string{}
	one := func(at path, id uuid.UUID) {
		if first, ok := seen[id]; ok {
			c.add(at.field("uuid"), "", "is already that of %s", first)
		}
		seen[id] = at.String()
	}
	if !c.records.stated {
		return
	}
	for i := range c.records.Users {
		one(path{key: "users", index: i}, c.records.Users[i].ID)
	}
	for i := range c.records.Projects {
		one(path{key: "projects", index: i}, c.records.Projects[i].ID)
	}
}
