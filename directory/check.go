package directory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"usher/internal/nearest"
	"usher/internal/secret"
)

// checker collects every fault of one set of records. Here stand the rules of a
// directory, wherever it is kept: of a file the records are all there is; of a
// store that is changed entry by entry they are what a change concerns.
type checker struct {
	records  *Records
	outside  *Snapshot // has the records in it, and what they may refer to; nil: there is nothing else
	problems Problems
	projects map[string]int            // name → index
	accounts map[string]int            // account → projects in it
	subjects map[string]map[string]use // account → subject of a topic → who states it

	names   index
	keys    keyIndex
	rosters []*roster // of the projects

	empty         Digest // of the empty key
	reservedUsers map[string]string

	known    []string // names of users in order, for hints; made when the first is needed
	compared int      // names that were looked at for a hint
	turns    turns
}

type use struct{ project, path string }

func (c *checker) add(at path, hint, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: at.String(), Message: fmt.Sprintf(format, args...), Hint: hint})
}

// check looks at all of r, whose users and projects have ids.
func check(r *Records, outside *Snapshot) *checker {
	c := &checker{
		records:       r,
		outside:       outside,
		accounts:      map[string]int{},
		projects:      make(map[string]int, len(r.Projects)),
		subjects:      map[string]map[string]use{},
		names:         newIndex(len(r.Users)),
		keys:          newKeyIndex(r.Users),
		empty:         DigestOf(""),
		reservedUsers: reservedUsers(),
	}
	for i := range r.Users {
		c.user(i, &r.Users[i])
	}
	for i := range r.Projects {
		c.projectName(i, &r.Projects[i])
		c.accounts[r.Projects[i].Account]++
	}
	c.ids()
	for i := range r.Projects {
		c.project(i, &r.Projects[i])
	}
	return c
}

// name checks one name, and that it is not taken yet. taken may be nil: then
// nothing else could have taken it.
func (c *checker) name(at path, kind, name string, i int, taken map[string]int) {
	if !c.spelling(at, kind, name) || taken == nil {
		return
	}
	if first, ok := taken[name]; ok {
		c.repeated(at, kind, name, first)
		return
	}
	taken[name] = i
}

func (c *checker) spelling(at path, kind, name string) bool {
	err := CheckName(name)
	if err != nil {
		c.add(at, hintOf(err), "%s name %s", kind, err)
	}
	return err == nil
}

func (c *checker) repeated(at path, kind, name string, first int) {
	c.add(at, "", "%s %s is already defined at index %d", kind, secret.Name(name), first)
}

// reserved refuses a name whose subjects belong to something else.
func (c *checker) reserved(at path, name, use string, reserved bool) {
	if reserved {
		c.add(at, "choose another name", "%s is reserved: %s", secret.Name(name), use)
	}
}

func (c *checker) user(i int, u *User) {
	c.turns.step()
	user := path{key: "users", index: i}
	at := user.field("name")
	if c.spelling(at, "user", u.Name) {
		if first, ok := c.names.add(hashName(u.Name), i, c.isUser(u.Name)); ok {
			c.repeated(at, "user", u.Name, first)
		}
	}
	use, reserved := c.reservedUsers[u.Name]
	c.reserved(at, u.Name, use, reserved)
	each(c, user, "service_roles", "service role", u.ServiceRoles, ServiceRoles())
	each(c, user.field("limits"), "connection_types", "connection type", u.Limits.ConnectionTypes, ConnectionTypes())
	var ids map[string]int
	if len(u.Keys) > 1 {
		ids = make(map[string]int, len(u.Keys))
	}
	for j := range u.Keys {
		c.key(user.element("keys", j), keyPlace{i, j}, &u.Keys[j], ids)
	}
}

func (c *checker) isUser(name string) func(int) bool {
	return func(n int) bool { return c.records.Users[n].Name == name }
}

func (c *checker) key(at path, place keyPlace, k *Key, ids map[string]int) {
	switch {
	case k.ID != "":
		c.name(at.field("id"), "key", k.ID, place.key, ids)
	case ids != nil:
		c.name(at.field("digest"), "key", k.Digest.KeyID(), place.key, ids)
	}
	first, ok := c.keys.add(&k.Digest, place, func(at keyPlace) bool {
		return c.records.Users[at.user].Keys[at.key].Digest == k.Digest
	})
	if ok {
		c.add(at.field("digest"), "every key belongs to one user: make a new one (usher apikey new)",
			"this digest already stands at users[%d].keys[%d]", first.user, first.key)
	}
	if k.Digest == (Digest{}) {
		c.add(at.field("digest"), "", "is missing")
	}
	if k.Digest == c.empty {
		c.add(at.field("digest"), "", "is the digest of the empty key")
	}
	if !k.Expires.IsZero() && !k.NotBefore.IsZero() && !k.NotBefore.Before(k.Expires) {
		c.add(at.field("not_before"), "", "is not before expires, so the key would never be valid")
	}
}

func (c *checker) projectName(i int, p *Project) {
	project := path{key: "projects", index: i}
	at := project.field("name")
	c.name(at, "project", p.Name, i, c.projects)
	use, reserved := projectUse(p.Name)
	c.reserved(at, p.Name, use, reserved)
}

func (c *checker) project(i int, p *Project) {
	at := path{key: "projects", index: i}
	if err := CheckAccount(p.Account); err != nil {
		c.add(at.field("account"), cmp.Or(hintOf(err), "name the NATS account that the project's subjects are in"), "account %s", err)
	}
	c.shared(at.field("account"), p)
	members := newRoster(p.Members, c.numbers(p.Members))
	defer members.end()
	c.rosters = append(c.rosters, members)
	for j, user := range members.users {
		c.turns.step()
		c.member(at.element("members", j), j, &p.Members[j], user != nobody || c.isOutside(p.Members[j].User), members)
	}
	topics := make(map[string]int, len(p.Topics))
	for j := range p.Topics {
		t := &p.Topics[j]
		at := at.element("topics", j)
		c.name(at.field("name"), "topic", t.Name, j, topics)
		c.acl(at, p, t.ACL, members)
		c.subject(at, p, t)
	}
	subs := make(map[string]int, len(p.Subscriptions))
	for j := range p.Subscriptions {
		s := &p.Subscriptions[j]
		at := at.element("subscriptions", j)
		c.name(at.field("name"), "subscription", s.Name, j, subs)
		c.acl(at, p, s.ACL, members)
		if _, ok := topics[s.Topic]; !ok && !c.misplaced(at.field("topic"), s.Topic) {
			hint := c.meant(s.Topic, "", names(p.Topics, func(t *Topic) string { return t.Name }))
			c.add(at.field("topic"), hint, "project %s has no topic %s", secret.Name(p.Name), secret.Name(s.Topic))
		}
	}
}

// nobody is no user's number.
const nobody = -1

// numbers returns the numbers of the users that members name. It does only this:
// nearly every step waits for memory, and the processor waits for many at a time
// if they are close.
func (c *checker) numbers(members []Member) []int {
	hashes := make([]uint64, len(members))
	for i := range members {
		c.turns.step()
		hashes[i] = hashName(members[i].User)
	}
	numbers := make([]int, len(members))
	for i := range members {
		c.turns.step()
		n, ok := c.names.find(hashes[i], c.isUser(members[i].User))
		if !ok {
			n = nobody
		}
		numbers[i] = n
	}
	return numbers
}

func (c *checker) member(at path, i int, m *Member, exists bool, members *roster) {
	if !exists && !c.misplaced(at.field("user"), m.User) {
		c.add(at.field("user"), c.meant(m.User, "", c.userNames()), "there is no user %s", secret.Name(m.User))
	}
	if first, ok := members.add(i); ok {
		c.add(at.field("user"), "put all roles of a member in one entry",
			"user %s is already a member, at index %d", secret.Name(m.User), first)
	}
	if len(m.Roles) == 0 {
		c.add(at.field("roles"), "one or more of "+strings.Join(roleNames(Roles()), ", "), "a member needs a role")
	}
	each(c, at, "roles", "role", m.Roles, Roles())
}

func (c *checker) acl(at path, p *Project, acl []string, members *roster) {
	members.begin()
	for i, user := range acl {
		c.turns.step()
		known, again := members.see(user)
		if !known && !c.misplaced(at.element("acl", i), user) {
			hint := c.meant(user, "add the user to the members, or take the name out of the acl",
				names(p.Members, func(m *Member) string { return m.User }))
			c.add(at.element("acl", i), hint, "user %s is not a member of project %s", secret.Name(user), secret.Name(p.Name))
		}
		if again {
			c.add(at.element("acl", i), "", "user %s is named twice", secret.Name(user))
		}
	}
}

// subject checks that a topic's subject belongs to this project alone: not
// inside another project's space of the same account, and stated once.
func (c *checker) subject(at path, p *Project, t *Topic) {
	subject := t.Subject
	if subject == "" {
		subject = p.Name + "." + t.Name
	} else {
		topic := at
		at = topic.field("subject")
		if err := CheckSubject(subject); err != nil {
			c.add(at, hintOf(err), "subject %s", err)
			return
		}
		c.space(at, p, subject)
	}
	if c.subjects[p.Account] == nil {
		c.subjects[p.Account] = map[string]use{}
	}
	if prior, ok := c.subjects[p.Account][subject]; ok {
		c.add(at, "", "subject %s is already that of %s in project %s", secret.Name(subject), prior.path, secret.Name(prior.project))
		return
	}
	c.subjects[p.Account][subject] = use{p.Name, at.String()}
}

// each checks that every value of a list is known and stands once.
func each[T ~string](c *checker, at path, list, kind string, values, known []T) {
	for i, v := range values {
		if !slices.Contains(known, v) {
			c.add(at.element(list, i), "one of "+strings.Join(roleNames(known), ", "), "there is no %s %s", kind, secret.Name(string(v)))
		} else if slices.Contains(values[:i], v) {
			c.add(at.element(list, i), "", "%s %q stands twice", kind, v)
		}
	}
}

// misplaced reports a secret where a name belongs.
func (c *checker) misplaced(at path, name string) bool {
	if !secret.Detect(name) {
		return false
	}
	c.add(at, secret.Hint, "%s", ErrSecret)
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

// userNames returns the names of all users, for hints: most directories need none.
func (c *checker) userNames() []string {
	if c.known == nil {
		c.known = names(c.records.Users, func(u *User) string { return u.Name })
	}
	return c.known
}

// hintOf returns the way out of what the checks of names report, if there is one.
func hintOf(err error) string {
	if errors.Is(err, ErrSecret) {
		return secret.Hint
	}
	return ""
}

func names[T any](all []T, name func(*T) string) []string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = name(&all[i])
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
