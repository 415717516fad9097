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

// AccountBlock returns the lines of a project's account for the accounts block of
// nats-server.conf. Each line begins with indent.
func AccountBlock(account, indent string) string {
	lines := []string{strconv.Quote(account) + " {", "  jetstream: enabled", "}"}
	return indent + strings.Join(lines, "\n"+indent)
}

var (
	// ErrProject: a project cannot have an account of its own here.
	ErrProject = errors.New("cannot have an account of its own")
	// ErrDuplicateProject: Options.Projects names a project twice.
	ErrDuplicateProject = errors.New("named twice")
)

// checkProjects refuses duplicate projects, names that the directory refuses, and names
// of accounts that an installation has for another purpose.
func (o *Options) checkProjects() error {
	if o.Operator && len(o.Projects) > 0 {
		return fmt.Errorf("%w: in operator mode usher project add creates accounts", ErrProject)
	}
	reserved := []string{AccountCallout, AccountSystem, AccountApp, AccountIngest, AccountHealth}
	for i, name := range o.Projects {
		switch {
		case slices.Contains(o.Projects[:i], name):
			return fmt.Errorf("project %s: %w", name, ErrDuplicateProject)
		case slices.Contains(reserved, name):
			return fmt.Errorf("project %s: %w: the name is that of another account", name, ErrProject)
		}
		project := directory.Project{Name: name, Account: name}
		if _, err := snapshot.New(directory.Records{Projects: []directory.Project{project}}); err != nil {
			return fmt.Errorf("%w: %w", ErrProject, err)
		}
	}
	return nil
}

// emptyDirectory returns a directory.yaml that contains only the projects.
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
