package directory

import "strings"

// Problem is one fault of a directory. Path has the keys of the YAML file and indexes
// from 0, as in "users[3].keys[0].digest"; or it is the key of an entry.
type Problem struct { //nolint:errname // one of Problems, rarely used as an error by itself
	Path    string
	Message string
	Hint    string
}

// Error returns path and message in one line.
func (p Problem) Error() string { return p.Path + ": " + p.Message }

// Problems lists all faults of a directory, in the order in which they were found.
type Problems []Problem //nolint:errname // a list of problems is what it is

// Error returns one line per fault.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}
