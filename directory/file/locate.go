package file

import (
	"errors"

	"usher/directory"
	"usher/internal/strictyaml"
)

// MaxSize is the maximum size of a file in bytes.
const MaxSize = strictyaml.MaxSize

// Locate returns problems of records as strictyaml.Errors, with their lines in the text
// that the records were parsed from.
func Locate(src *strictyaml.Source, problems directory.Problems) error {
	faults := make(strictyaml.Errors, 0, len(problems))
	for _, p := range problems {
		faults = append(faults, src.Errorf(p.Path, p.Hint, "%s", p.Message))
	}
	faults.Sort()
	return faults
}

// Lines returns each fault of a text as one line, with its hint.
func Lines(err error) []string {
	var faults strictyaml.Errors
	if !errors.As(err, &faults) {
		return []string{err.Error()}
	}
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = f.Error()
		if f.Hint != "" {
			lines[i] += " (" + f.Hint + ")"
		}
	}
	return lines
}
