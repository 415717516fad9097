package strictyaml

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Error is one error in a document.
type Error struct {
	File    string
	Line    int    // from 1; 0 if the error has no position
	Column  int    // in characters, from 1; 0 if the error has no position
	Path    string // "users[3].keys[0].digest"; empty for the whole document
	Message string
	Hint    string // how to fix it; may be empty
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

// Errors holds every error in a document, sorted by line.
type Errors []Error

// Error returns one line for each error, and a second, indented line for its hint.
func (e Errors) Error() string {
	var b strings.Builder
	for i, err := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(err.Error())
		if err.Hint != "" {
			b.WriteString("\n  hint: " + err.Hint)
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

// Sort sorts the errors by position, and keeps the order of those at the same position.
func (e Errors) Sort() {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// hinted is an error with a hint.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// WithHint adds a hint to err. When an UnmarshalText method returns such an error,
// Decode sets the Hint of its Error to it.
func WithHint(err error, hint string) error { return &hinted{error: err, hint: hint} }

// hintOf returns the hint of WithHint, or an empty string.
func hintOf(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}
