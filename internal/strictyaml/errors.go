package strictyaml

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Error is one fault of a document.
type Error struct {
	File    string
	Line    int    // from 1; 0 if the fault has no place in the file
	Column  int    // in characters, from 1; 0 if there is no place
	Path    string // "users[3].keys[0].digest"; empty for the whole document
	Message string
	Hint    string // a way out; may be empty
}

// Error returns "file:line:column: path: message". The hint is not part of it.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		b.WriteString(":" + strconv.Itoa(e.Line))
		if e.Column > 0 {
			b.WriteString(":" + strconv.Itoa(e.Column))
		}
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Message)
	return b.String()
}

// Errors is every fault of a document, sorted by line.
type Errors []Error

// Error returns one line for each fault, and a second, indented one where there is a hint.
func (e Errors) Error() string {
	var b strings.Builder
	for i, one := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(one.Error())
		if one.Hint != "" {
			b.WriteString("\n  hint: " + one.Hint)
		}
	}
	return b.String()
}

// Unwrap returns each Error.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i := range e {
		all[i] = e[i]
	}
	return all
}

// Sort puts the faults in the order of the file; faults of one place keep theirs.
func (e Errors) Sort() {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// hinted is an error that knows a way out.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// WithHint returns err with a way out. An UnmarshalText method that returns it
// sets the Hint of the Error that Decode makes of it.
func WithHint(err error, hint string) error { return &hinted{error: err, hint: hint} }

// hintOf returns the hint that WithHint gave, or nothing.
func hintOf(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}
