package validation

import (
	"strings"

	"usher/directory"
	"usher/internal/secret"
)

// inRest reports whether there is such a user besides the records.
func (c *checker) inRest(user string) bool {
	if c.rest == nil {
		return false
	}
	_, ok := c.rest.User(user)
	return ok
}

// singleProject reports whether an account has at most one project.
func (c *checker) singleProject(account string) bool {
	if c.rest != nil {
		return c.rest.AccountUse(account).Projects <= 1
	}
	return c.accounts[account] <= 1
}

// subject checks that a topic's subject belongs to its project alone: it is not inside
// another project of the same account, and no other topic has it.
func (c *checker) subject(at path, p *directory.Project, t *directory.Topic) {
	name := t.Subject
	if name == "" {
		name = p.Name + "." + t.Name
	} else {
		topic := at
		at = topic.field("subject")
		if err := directory.CheckSubject(name); err != nil {
			c.add(at, directory.HintFor(err), "subject %s", err)
			return
		}
		c.subjectOutside(at, p, name)
	}
	if c.subjects[p.Account] == nil {
		c.subjects[p.Account] = map[string]subject{}
	}
	if first, ok := c.subjects[p.Account][name]; ok {
		c.add(at, "", "subject %s is already that of %s in project %s", secret.Name(name), first.path, secret.Name(first.project))
		return
	}
	c.subjects[p.Account][name] = subject{p.Name, at.String()}
}

// subjectOutside checks that a stated subject begins with the name of its project,
// unless no other project is in the account.
func (c *checker) subjectOutside(at path, p *directory.Project, subject string) {
	if strings.HasPrefix(subject, p.Name+".") || c.singleProject(p.Account) {
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
	if c.rest != nil {
		if p, ok := c.rest.Project(project); ok {
			return p.Account
		}
	}
	return ""
}

// sharedAccount checks that a project does not join an account in which topics of
// another project have subjects outside of that project. If the records are the whole
// directory, those topics are reported instead.
func (c *checker) sharedAccount(at path, p *directory.Project) {
	if c.rest == nil || c.singleProject(p.Account) {
		return
	}
	own := 0
	for i := range p.Topics {
		if s := p.Topics[i].Subject; s != "" && !strings.HasPrefix(s, p.Name+".") {
			own++
		}
	}
	if c.rest.AccountUse(p.Account).TopicsOutside > own {
		c.add(at, "choose another account", "account %s belongs to another project, some of whose topics have subjects outside of it", secret.Name(p.Account))
	}
}
