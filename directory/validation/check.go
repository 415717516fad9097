package validation

import (
	"fmt"

	"usher/directory"
	"usher/directory/hashtable"
	"usher/directory/yield"
	"usher/internal/secret"
)

// Rest is the directory from which the records to be checked were taken. Records may
// refer to users that are only there, and share accounts with projects that are only
// there.
type Rest interface {
	User(name string) (*directory.User, bool)
	Project(name string) (*directory.Project, bool)
	AccountUse(account string) directory.AccountUse
}

// checker collects the faults of one set of records.
type checker struct {
	records  *directory.Records
	rest     Rest // nil: the records are the whole directory
	problems directory.Problems
	projects map[string]int                // index by name
	accounts map[string]int                // number of projects by account
	subjects map[string]map[string]subject // by account, then by subject

	names   hashtable.Index // of users
	keys    keyIndex
	members []*Members // by project

	suggestions
	yielder yield.Counter
}

// subject says which topic has a subject.
type subject struct{ project, path string }

// Check reports the faults of records whose users and projects have ids. It also
// returns the members of each project, resolved to users. rest may be nil: the records
// are the whole directory then.
func Check(r *directory.Records, rest Rest) ([]*Members, directory.Problems) {
	c := &checker{
		records:  r,
		rest:     rest,
		accounts: map[string]int{},
		projects: make(map[string]int, len(r.Projects)),
		subjects: map[string]map[string]subject{},
		names:    hashtable.NewIndex(len(r.Users)),
		keys:     newKeyIndex(r.Users),
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
	c.bans()
	return c.members, c.problems
}

func (c *checker) add(at path, hint, format string, args ...any) {
	c.problems = append(c.problems, directory.Problem{Path: at.String(), Message: fmt.Sprintf(format, args...), Hint: hint})
}

// uniqueName checks a name, and that it is not in taken, to which it adds the name. If
// taken is nil, there is nothing else that could have the name.
func (c *checker) uniqueName(at path, kind, name string, i int, taken map[string]int) {
	if !c.name(at, kind, name) || taken == nil {
		return
	}
	if first, ok := taken[name]; ok {
		c.addRepeated(at, kind, name, first)
		return
	}
	taken[name] = i
}

func (c *checker) name(at path, kind, name string) bool {
	err := directory.CheckName(name)
	if err != nil {
		c.add(at, directory.HintFor(err), "%s name %s", kind, err)
	}
	return err == nil
}

func (c *checker) addRepeated(at path, kind, name string, first int) {
	c.add(at, "", "%s %s is already defined at index %d", kind, secret.Name(name), first)
}

func (c *checker) reserved(at path, name, use string, reserved bool) {
	if reserved {
		c.add(at, "choose another name", "%s is reserved: %s", secret.Name(name), use)
	}
}
