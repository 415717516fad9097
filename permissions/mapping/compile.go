package mapping

import (
	"errors"
	"fmt"
	"slices"

	"usher/directory"
	"usher/internal/nearest"
	"usher/internal/secret"
)

// compiler makes Rules, and collects the problems of a Config. Paths are those below
// identities.
type compiler struct {
	cfg      *Config
	problems directory.Problems
}

// New compiles rules. If there are problems, it returns all of them and no rules.
func New(cfg Config) (*Rules, directory.Problems) {
	c := compiler{cfg: &cfg}
	r := &Rules{all: cfg.Match == MatchAll}
	if cfg.Match != "" && cfg.Match != MatchFirst && cfg.Match != MatchAll {
		c.add("match", "", "expected %s or %s, found %s", MatchFirst, MatchAll, secret.Quote(cfg.Match))
	}
	for i := range cfg.Rules {
		r.rules = append(r.rules, c.rule(fmt.Sprintf("rules[%d]", i), i))
	}
	if len(c.problems) == 0 && !r.all {
		c.unreachable(r.rules)
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return r, nil
}

func (c *compiler) add(path, hint, format string, args ...any) {
	c.problems = append(c.problems, directory.Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (c *compiler) rule(at string, n int) rule {
	in := &c.cfg.Rules[n]
	out := rule{name: in.Name, ingest: in.Ingest}
	c.name(at+".name", n)
	if len(in.When) == 0 {
		c.add(at+".when", "to match every identity of an authority, write {fact: authority, equals: NAME}", "has no condition")
	}
	groups := map[string]bool{}
	for i := range in.When {
		out.when = append(out.when, c.condition(fmt.Sprintf("%s.when[%d]", at, i), &in.When[i], groups))
	}
	c.contradictions(at, out.when)
	isGroup := func(name string) bool { return groups[name] }
	switch given := len(in.Roles) > 0 || in.Ingest; {
	case in.User != "" && given:
		c.add(at+".user", "a user has its roles in the directory", "conflicts with roles and ingest")
	case in.Profile != "" && (given || in.User != ""):
		c.add(at+".profile", "a profile stands alone; add the subjects to it", "conflicts with user, roles and ingest")
	case in.User != "":
		out.user = c.template(at+".user", in.User, isGroup)
	case in.Profile != "":
		out.profile = c.profile(at+".profile", in.Profile, isGroup)
	case !given:
		c.add(at, "set user, or profile, or roles, or ingest: true", "gives nothing")
	}
	for i := range in.Roles {
		out.roles = append(out.roles, c.role(fmt.Sprintf("%s.roles[%d]", at, i), &in.Roles[i], isGroup))
	}
	if len(c.problems) == 0 {
		out.fixed = fixedRoles(out.roles)
	}
	return out
}

// name checks the name of a rule.
func (c *compiler) name(at string, n int) {
	name := c.cfg.Rules[n].Name
	if err := directory.CheckName(name); err != nil {
		c.add(at, directory.HintFor(err), "%v", err)
		return
	}
	for i := range n {
		if c.cfg.Rules[i].Name == name {
			c.add(at, "", "is the name of rules[%d] too", i)
			return
		}
	}
}

func (c *compiler) template(at, text string, isGroup func(string) bool) *template {
	t, err := parseTemplate(text, isGroup)
	if err != nil {
		c.add(at, directory.HintFor(err), "%v", err)
		return nil
	}
	for i := range t.parts {
		if p := &t.parts[i].fact; len(p.keys) > 0 {
			c.known(at, p)
		}
	}
	return t
}

// profile compiles the template of the name of a profile. One without values to insert has
// to exist.
func (c *compiler) profile(at, text string, isGroup func(string) bool) *template {
	t := c.template(at, text, isGroup)
	known := c.cfg.Profiles
	switch {
	case t == nil, known == nil, t.inserts() && len(known) > 0, slices.Contains(known, text):
		return t
	case len(known) == 0:
		c.add(at, "add it to profiles", "names a profile, and the configuration has none")
		return t
	}
	hint := "add it to profiles"
	if near, ok := nearest.To(text, known); ok {
		hint = "did you mean " + near + "?"
	}
	c.add(at, hint, "there is no profile %s", secret.Name(text))
	return t
}

func (c *compiler) role(at string, in *Role, isGroup func(string) bool) role {
	out := role{ProjectRole: directory.ProjectRole{Role: in.Role, Topics: in.Topics, Subscriptions: in.Subscriptions}}
	if in.Project == "" {
		c.add(at+".project", "", "is missing")
	} else if out.project = c.template(at+".project", in.Project, isGroup); out.project != nil && !out.project.inserts() {
		if use, reserved := directory.ReservedProject(in.Project); reserved {
			c.add(at+".project", "", "%s is reserved: %s", in.Project, use)
		}
	}
	if !slices.Contains(directory.Roles(), in.Role) {
		hint := ""
		if in.Role == directory.Role(directory.ServiceRoleAdmin) {
			hint = "map the identity to a user with this service role"
		}
		c.add(at+".role", hint, "expected one of %v, found %s", directory.Roles(), secret.Quote(string(in.Role)))
		return out
	}
	c.resources(at+".topics", in.Topics, in.Role, directory.RolePublisher)
	c.resources(at+".subscriptions", in.Subscriptions, in.Role, directory.RoleConsumer)
	return out
}

// resources checks the topics or subscriptions of a role.
func (c *compiler) resources(at string, names []string, role, of directory.Role) {
	switch {
	case role != of && len(names) > 0:
		c.add(at, "", "are for role %s; this one is %s", of, role)
	case role == of && len(names) == 0:
		c.add(at, `names, or ["*"] for all of the project`, "must not be empty: the identity is no user, so no ACL names it")
	}
	if i, err := CheckResources(names); err != nil {
		c.add(fmt.Sprintf("%s[%d]", at, i), directory.HintFor(err), "%v", err)
	}
}

// CheckResources returns an error if names are not names of topics or subscriptions, or
// directory.Everything alone, and the index of the first that is wrong.
func CheckResources(names []string) (int, error) {
	for i, name := range names {
		if name == directory.Everything && len(names) == 1 {
			return 0, nil
		}
		if name == directory.Everything {
			return i, errors.New(`"*" stands alone`)
		}
		if err := directory.CheckName(name); err != nil {
			return i, err
		}
	}
	return 0, nil
}

// known reports a path whose first key no configured verifier sets.
func (c *compiler) known(at string, p *factPath) {
	if isBuiltIn(p.keys[0]) || c.cfg.Attributes == nil || slices.Contains(c.cfg.Attributes, p.keys[0]) {
		return
	}
	hint := "no configured kind of credential has it"
	if near, ok := nearest.To(p.keys[0], append([]string{factAuthority, factMethod, factID}, c.cfg.Attributes...)); ok {
		hint = "did you mean " + near + "?"
	}
	c.add(at, hint, "%s is no fact", secret.Name(p.keys[0]))
}
