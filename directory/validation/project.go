package validation

import (
	"cmp"

	"usher/directory"
	"usher/internal/secret"
)

func (c *checker) projectName(i int, p *directory.Project) {
	project := path{key: "projects", index: i}
	at := project.field("name")
	c.uniqueName(at, "project", p.Name, i, c.projects)
	use, reserved := directory.ReservedProject(p.Name)
	c.reserved(at, p.Name, use, reserved)
}

func (c *checker) project(i int, p *directory.Project) {
	at := path{key: "projects", index: i}
	if err := directory.CheckAccount(p.Account); err != nil {
		c.add(at.field("account"), cmp.Or(directory.HintFor(err), "name the NATS account that the project's subjects are in"), "account %s", err)
	}
	c.sharedAccount(at.field("account"), p)
	members := newMembers(p.Members, c.usersOf(p.Members))
	defer members.releaseACLs()
	c.members = append(c.members, members)
	for j, user := range members.users {
		c.yielder.Step()
		c.member(at.element("members", j), j, &p.Members[j], user != noUser || c.inRest(p.Members[j].User), members)
	}
	topics := make(map[string]int, len(p.Topics))
	for j := range p.Topics {
		t := &p.Topics[j]
		at := at.element("topics", j)
		c.uniqueName(at.field("name"), "topic", t.Name, j, topics)
		c.acl(at, p, t.ACL, members)
		c.subject(at, p, t)
	}
	subs := make(map[string]int, len(p.Subscriptions))
	for j := range p.Subscriptions {
		s := &p.Subscriptions[j]
		at := at.element("subscriptions", j)
		c.uniqueName(at.field("name"), "subscription", s.Name, j, subs)
		c.acl(at, p, s.ACL, members)
		if err := s.Push.Check(); err != nil {
			c.add(at.field("push"), "", "%s", err.Error())
		}
		if _, ok := topics[s.Topic]; !ok && !c.secret(at.field("topic"), s.Topic) {
			hint := c.didYouMean(s.Topic, "", names(p.Topics, func(t *directory.Topic) string { return t.Name }))
			c.add(at.field("topic"), hint, "project %s has no topic %s", secret.Name(p.Name), secret.Name(s.Topic))
		}
	}
}

func (c *checker) member(at path, i int, m *directory.Member, exists bool, members *Members) {
	if !exists && !c.secret(at.field("user"), m.User) {
		c.add(at.field("user"), c.didYouMean(m.User, "", c.userNames(c.records)), "there is no user %s", secret.Name(m.User))
	}
	if first, ok := members.add(i); ok {
		c.add(at.field("user"), "put all roles of a member in one entry",
			"user %s is already a member, at index %d", secret.Name(m.User), first)
	}
	if len(m.Roles) == 0 {
		c.add(at.field("roles"), "one or more of "+join(directory.Roles()), "a member needs a role")
	}
	each(c, at, "roles", "role", m.Roles, directory.Roles())
}

func (c *checker) acl(at path, p *directory.Project, acl []string, members *Members) {
	members.beginACL()
	for i, user := range acl {
		c.yielder.Step()
		isMember, repeated := members.addToACL(user)
		if !isMember && !c.secret(at.element("acl", i), user) {
			hint := c.didYouMean(user, "add the user to the members, or remove the name from the acl",
				names(p.Members, func(m *directory.Member) string { return m.User }))
			c.add(at.element("acl", i), hint, "user %s is not a member of project %s", secret.Name(user), secret.Name(p.Name))
		}
		if repeated {
			c.add(at.element("acl", i), "", "user %s is named twice", secret.Name(user))
		}
	}
}
