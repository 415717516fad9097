package directory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/nearest"
	"usher/secret"
)

// checker collects every fault of one set of records.
type checker struct {
	problems Problems
	users    map[string]int            // name → index
	digests  map[Digest]string         // digest → path of the key
	projects map[string]int            // name → index
	subjects map[string]map[string]use // account → subject of a topic → who states it
	names    []string                  // of users, in order
	compared int                       // names that were looked at for a hint
}

type use struct{ project, path string }

func (c *checker) add(path, hint, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// check returns every fault of r; none means that it can be indexed.
func check(r *Records) Problems {
	c := &checker{
		users:    make(map[string]int, len(r.Users)),
		digests:  make(map[Digest]string, len(r.Users)),
		projects: make(map[string]int, len(r.Projects)),
		subjects: map[string]map[string]use{},
	}
	for i := range r.Users {
		c.user(i, &r.Users[i])
		c.names = append(c.names, r.Users[i].Name)
	}
	for i := range r.Projects {
		c.projectName(i, &r.Projects[i])
	}
	for i := range r.Projects {
		c.project(fmt.Sprintf("projects[%d]", i), r, &r.Projects[i])
	}
	return c.problems
}

// name checks one name and that it is not taken yet.
func (c *checker) name(path, kind, name string, i int, taken map[string]int) {
	if err := CheckName(name); err != nil {
		c.add(path, hintOf(err), "%s name %s", kind, err)
		return
	}
	if first, ok := taken[name]; ok {
		c.add(path, "", "%s %s is already defined at index %d", kind, secret.Name(name), first)
		return
	}
	taken[name] = i
}

// reserved refuses names whose subjects belong to a profile.
func (c *checker) reserved(path, name string, names map[string]string) {
	if use, ok := names[name]; ok {
		c.add(path, "choose another name", "%s is reserved: %s", secret.Name(name), use)
	}
}

func (c *checker) user(i int, u *User) {
	path := fmt.Sprintf("users[%d]", i)
	c.name(path+".name", "user", u.Name, i, c.users)
	c.reserved(path+".name", u.Name, reservedUsers())
	c.each(path+".service_roles", "service role", roleNames(u.ServiceRoles), roleNames(ServiceRoles()))
	c.each(path+".limits.connection_types", "connection type",
		roleNames(u.Limits.ConnectionTypes), roleNames(ConnectionTypes()))
	ids := map[string]int{}
	for j := range u.Keys {
		c.key(fmt.Sprintf("%s.keys[%d]", path, j), j, &u.Keys[j], ids)
	}
}

func (c *checker) key(path string, j int, k *Key, ids map[string]int) {
	if k.ID != "" {
		c.name(path+".id", "key", k.ID, j, ids)
	} else {
		c.name(path+".digest", "key", k.Digest.KeyID(), j, ids)
	}
	if first, ok := c.digests[k.Digest]; ok {
		c.add(path+".digest", "every key belongs to one user: make a new one (usher apikey new)",
			"this digest already stands at %s", first)
	} else {
		c.digests[k.Digest] = path
	}
	if k.Digest == (Digest{}) {
		c.add(path+".digest", "", "is missing")
	}
	if k.Digest == DigestOf("") {
		c.add(path+".digest", "", "is the digest of the empty key")
	}
	if !k.Expires.IsZero() && !k.NotBefore.IsZero() && !k.NotBefore.Before(k.Expires) {
		c.add(path+".not_before", "", "is not before expires, so the key would never be valid")
	}
}

func (c *checker) projectName(i int, p *Project) {
	path := fmt.Sprintf("projects[%d].name", i)
	c.name(path, "project", p.Name, i, c.projects)
	c.reserved(path, p.Name, reservedProjects())
}

func (c *checker) project(path string, r *Records, p *Project) {
	if err := CheckAccount(p.Account); err != nil {
		c.add(path+".account", cmp.Or(hintOf(err), "name the NATS account that the project's subjects are in"), "account %s", err)
	}
	members := map[string]int{}
	for i, m := range p.Members {
		c.member(fmt.Sprintf("%s.members[%d]", path, i), i, m, members)
	}
	topics := map[string]int{}
	for i := range p.Topics {
		t := &p.Topics[i]
		at := fmt.Sprintf("%s.topics[%d]", path, i)
		c.name(at+".name", "topic", t.Name, i, topics)
		c.acl(at+".acl", p, t.ACL, members)
		c.subject(at, r, p, t)
	}
	subs := map[string]int{}
	for i := range p.Subscriptions {
		s := &p.Subscriptions[i]
		at := fmt.Sprintf("%s.subscriptions[%d]", path, i)
		c.name(at+".name", "subscription", s.Name, i, subs)
		c.acl(at+".acl", p, s.ACL, members)
		if _, ok := topics[s.Topic]; !ok && !c.misplaced(at+".topic", s.Topic) {
			hint := c.meant(s.Topic, "", names(p.Topics, func(t Topic) string { return t.Name }))
			c.add(at+".topic", hint, "project %s has no topic %s", secret.Name(p.Name), secret.Name(s.Topic))
		}
	}
}

func (c *checker) member(path string, i int, m Member, members map[string]int) {
	if _, ok := c.users[m.User]; !ok && !c.misplaced(path+".user", m.User) {
		c.add(path+".user", c.meant(m.User, "", c.names), "there is no user %s", secret.Name(m.User))
	}
	if first, ok := members[m.User]; ok {
		c.add(path+".user", "put all roles of a member in one entry",
			"user %s is already a member, at index %d", secret.Name(m.User), first)
	} else {
		members[m.User] = i
	}
	if len(m.Roles) == 0 {
		c.add(path+".roles", "one or more of "+strings.Join(roleNames(Roles()), ", "), "a member needs a role")
	}
	c.each(path+".roles", "role", roleNames(m.Roles), roleNames(Roles()))
}

func (c *checker) acl(path string, p *Project, acl []string, members map[string]int) {
	seen := map[string]bool{}
	for i, user := range acl {
		at := fmt.Sprintf("%s[%d]", path, i)
		if _, ok := members[user]; !ok && !c.misplaced(at, user) {
			hint := c.meant(user, "add the user to the members, or take the name out of the acl",
				names(p.Members, func(m Member) string { return m.User }))
			c.add(at, hint, "user %s is not a member of project %s", secret.Name(user), secret.Name(p.Name))
		}
		if seen[user] {
			c.add(at, "", "user %s is named twice", secret.Name(user))
		}
		seen[user] = true
	}
}

// subject checks that a topic's subject belongs to this project alone: not
// inside another project's space of the same account, and stated once.
func (c *checker) subject(path string, r *Records, p *Project, t *Topic) {
	subject := t.Subject
	if subject == "" {
		subject = p.Name + "." + t.Name
	} else {
		path += ".subject"
		if err := CheckSubject(subject); err != nil {
			c.add(path, hintOf(err), "subject %s", err)
			return
		}
		first, _, _ := strings.Cut(subject, ".")
		if i, ok := c.projects[first]; ok && first != p.Name && r.Projects[i].Account == p.Account {
			c.add(path, "subjects under a project's name belong to that project",
				"subject %s lies in project %s of the same account", secret.Name(subject), secret.Name(first))
		}
	}
	if c.subjects[p.Account] == nil {
		c.subjects[p.Account] = map[string]use{}
	}
	if prior, ok := c.subjects[p.Account][subject]; ok {
		c.add(path, "", "subject %s is already that of %s in project %s", secret.Name(subject), prior.path, secret.Name(prior.project))
		return
	}
	c.subjects[p.Account][subject] = use{p.Name, path}
}

// each checks that every value is known and stands once.
func (c *checker) each(path, kind string, values, known []string) {
	for i, v := range values {
		at := fmt.Sprintf("%s[%d]", path, i)
		if !slices.Contains(known, v) {
			c.add(at, "one of "+strings.Join(known, ", "), "there is no %s %s", kind, secret.Name(v))
		} else if slices.Contains(values[:i], v) {
			c.add(at, "", "%s %q stands twice", kind, v)
		}
	}
}

// misplaced reports a secret where a name belongs.
func (c *checker) misplaced(path, name string) bool {
	if !secret.Holds(name) {
		return false
	}
	c.add(path, secret.Hint, "%s", ErrSecret)
	return true
}

// maxCompared bounds what the hints of one directory cost.
const maxCompared = 1 << 20

// meant returns a hint that suggests one of the known names; otherwise, if none
// is like name.
func (c *checker) meant(name, otherwise string, known []string) string {
	if c.compared += len(known); c.compared > maxCompared {
		return otherwise
	}
	if best, ok := nearest.To(name, known); ok && best != name {
		return "did you mean " + secret.Name(best) + "?"
	}
	return otherwise
}

// hintOf returns the way out of what the checks of names report, if there is one.
func hintOf(err error) string {
	if errors.Is(err, ErrSecret) {
		return secret.Hint
	}
	return ""
}

func names[T any](all []T, name func(T) string) []string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = name(one)
	}
	return out
}

func roleNames[T ~string](values []T) []string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	return names
}
