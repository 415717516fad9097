package setup

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"usher/directory"
	"usher/directory/snapshot"
)

// AccountBlock returns the lines of nats-server.conf, below accounts, of an account of a
// project, each after an indent.
func AccountBlock(account, indent string) string {
	lines := []string{strconv.Quote(account) + " {", "  jetstream: enabled", "}"}
	return indent + strings.Join(lines, "\n"+indent)
}

// ErrProject: a project cannot have an account of its own here.
var ErrProject = errors.New("cannot have an account of its own")

// checkProjects reports projects that a directory cannot have, or whose names are those
// of accounts that are something else.
func (o *Options) checkProjects() error {
	if o.Operator && len(o.Projects) > 0 {
		return fmt.Errorf("%w: in operator mode usher project add makes accounts", ErrProject)
	}
	var records directory.Records
	for _, name := range o.Projects {
		records.Projects = append(records.Projects, directory.Project{Name: name, Account: name})
	}
	if _, err := snapshot.New(records); err != nil {
		return fmt.Errorf("%w: %w", ErrProject, err)
	}
	taken := []string{AccountCallout, AccountSystem, AccountApp, AccountIngest, AccountHealth}
	for _, name := range o.Projects {
		if slices.Contains(taken, name) {
			return fmt.Errorf("project %s: %w: there is an account of that name for something else", name, ErrProject)
		}
	}
	return nil
}

// emptyDirectory returns a directory.yaml with nothing but the projects.
func (o *Options) emptyDirectory() []byte {
	if len(o.Projects) == 0 {
		return []byte(emptyDirectory)
	}
	var list strings.Builder
	list.WriteString("projects:\n")
	for _, name := range o.Projects {
		fmt.Fprintf(&list, "  - {name: %[1]s, account: %[1]s}\n", strconv.Quote(name))
	}
	return bytes.Replace([]byte(emptyDirectory), []byte("projects: []\n"), []byte(list.String()), 1)
}
