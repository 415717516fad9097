// Package fault holds the error that usher shows to people: what failed, of which
// kind it is, and how to mend it.
//
// Libraries return it, and a command line or an API turns the kind into an exit code
// or a status. The package itself prints nothing and knows neither.
package fault

import (
	"errors"

	"usher/internal/ownedfile"
)

// Kind says who can mend a failure.
type Kind int

// The kinds, from the mildest to the one that decides.
const (
	None        Kind = iota // nothing failed
	Runtime                 // something outside failed: the network, a server, a disk
	Usage                   // the command line is wrong
	Config                  // configuration, directory or keyring are wrong
	Denied                  // usher or a server denied the request
	Interrupted             // a signal ended the work early
)

// Error is a failure with its kind and a hint.
type Error struct {
	Kind Kind
	Err  error  // nil: the details have been reported already
	Hint string // how to mend it; may be empty
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return "failed"
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// InConfig returns err as a fault of the configuration, the directory or the keyring.
// An error about the owner or the mode of a file gets the hint that mends it.
func InConfig(err error) error {
	hint := ""
	var owned *ownedfile.Error
	switch {
	case errors.Is(err, ownedfile.ErrUntrusted) && errors.As(err, &owned):
		hint = owned.Fix + "; docs/explanation/security.md says which owners are accepted"
	case errors.Is(err, ownedfile.ErrReadable):
		hint = "chmod 600 the file; for secrets mounted group-readable set keyring.allow_group_readable"
	}
	return &Error{Kind: Config, Err: err, Hint: hint}
}
