package ams

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/secret"
)

// Options supply what AMS does not know.
type Options struct {
	Account  string            // NATS account of the projects
	Accounts map[string]string // by project, where it differs from Account
}

// Result is the result of Read.
type Result struct {
	Records directory.Records
	Notes   []string // what was skipped or changed, one line each, with file and path
}

// Read reads the files of fsys. The error is directory.Problems, with paths such as
// "users.json: users[3].token".
func Read(fsys fs.FS, o Options) (Result, error) {
	r := &reader{
		fsys: fsys, o: o, projects: map[string]int{}, users: map[string]uuid.UUID{},
		members: map[member]bool{}, resources: map[string]*resource{}, origins: map[string]string{},
	}
	r.readProjects()
	r.readUsers()
	r.readTopics()
	r.readSubscriptions()
	r.readACLs()
	if len(r.problems) == 0 {
		r.check()
	}
	if len(r.problems) > 0 {
		return Result{}, r.problems
	}
	return Result{Records: r.records, Notes: r.notes}, nil
}

// reader collects the records of a directory.
type reader struct {
	fsys     fs.FS
	o        Options
	records  directory.Records
	notes    []string
	problems directory.Problems

	projects  map[string]int       // name → index
	users     map[string]uuid.UUID // name → id
	members   map[member]bool
	resources map[string]*resource // by path: "/projects/P/topics/T"
	order     []string             // of resources
	origins   map[string]string    // by path in the records, file and path from which it was read
}

type member struct{ project, user string }

// resource is a topic or a subscription, which needs an ACL.
type resource struct {
	project int
	where   string
	acl     func(project *directory.Project) *[]string
	hasACL  bool
}

func (r *reader) problem(where, hint, format string, args ...any) {
	r.problems = append(r.problems, directory.Problem{Path: where, Message: secret.Redact(fmt.Sprintf(format, args...)), Hint: hint})
}

func (r *reader) note(where, format string, args ...any) {
	r.notes = append(r.notes, where+": "+secret.Redact(fmt.Sprintf(format, args...)))
}

// check reports the faults that the records have as a directory.
func (r *reader) check() {
	copied := directory.Records{Users: slices.Clone(r.records.Users), Projects: slices.Clone(r.records.Projects)}
	for i := range copied.Users {
		copied.Users[i].Keys = slices.Clone(copied.Users[i].Keys)
	}
	_, err := snapshot.New(copied)
	var problems directory.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			p.Path = r.origin(p.Path)
			r.problems = append(r.problems, p)
		}
	}
}

// origin returns the file and path from which a path of the records was read.
func (r *reader) origin(path string) string {
	for at := path; at != ""; at = at[:max(0, strings.LastIndexByte(at, '.'))] {
		if where, ok := r.origins[at]; ok {
			return where + path[len(at):]
		}
	}
	return path
}

func at(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// readProjects reads projects*.json.
func (r *reader) readProjects() {
	items(r, "projects", func(where string, p *project) {
		if _, exists := r.projects[p.Name]; exists {
			r.problem(where+".name", "", "project %s already exists", secret.Name(p.Name))
			return
		}
		account := cmp.Or(r.o.Accounts[p.Name], r.o.Account)
		if account == "" {
			r.problem(where, "name one with --account APP for all projects, or with --account PROJECT=APP for one", "project %s has no NATS account", secret.Name(p.Name))
		}
		r.projects[p.Name] = len(r.records.Projects)
		r.origins[at("projects", len(r.records.Projects))] = where
		r.records.Projects = append(r.records.Projects, directory.Project{
			Name: p.Name, Account: account, Description: p.Description,
			Made: directory.Made{Created: r.time(where+".created_on", p.CreatedOn), Modified: r.time(where+".modified_on", p.ModifiedOn)},
		})
	})
	for _, name := range slices.Sorted(maps.Keys(r.o.Accounts)) {
		if _, ok := r.projects[name]; !ok {
			r.problem("accounts", "", "there is no project %s", secret.Name(name))
		}
	}
}

// readACLs reads acls*.json: ACLs by the path of their topic or subscription.
func (r *reader) readACLs() {
	for doc := range documents(r, "acls") {
		lists := map[string]json.RawMessage{}
		if !r.response(doc.where, doc.data, &lists) {
			continue
		}
		for _, path := range slices.Sorted(maps.Keys(lists)) {
			var list acl
			if where := doc.where + path; r.response(where, lists[path], &list) {
				r.acl(where, path, list)
			}
		}
	}
	for _, path := range r.order {
		if x := r.resources[path]; !x.hasACL {
			r.problem(x.where, "fetch "+path+":acl, and put it into acls.json", "acls.json has no ACL for it")
		}
	}
}

func (r *reader) acl(where, path string, list acl) {
	x := r.resources["/"+strings.TrimPrefix(path, "/")]
	users, ok := list[authorized]
	switch {
	case x == nil:
		r.note(where, "skipped: there is no such topic or subscription")
		return
	case !ok:
		r.problem(where, "", "expected an object with %s", authorized)
		return
	case x.hasACL:
		r.problem(where, "", "has two ACLs")
		return
	}
	x.hasACL = true
	p := &r.records.Projects[x.project]
	names := []string{}
	for _, user := range users {
		switch {
		case !r.members[member{p.Name, user}]:
			r.note(where, "%s skipped: not a member of project %s", secret.Name(user), secret.Name(p.Name))
		case !slices.Contains(names, user):
			names = append(names, user)
		}
	}
	*x.acl(p) = names
}
