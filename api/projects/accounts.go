package projects

import (
	"context"
	"errors"
	"time"
)

// Accounts creates and closes accounts of projects in operator mode.
//
// Its methods wait for other calls that create or close accounts. allowed is called after
// that wait, and checks the caller's rights again; its error ends the call.
type Accounts interface {
	// Create gives each of these projects an account of its own, named like the project. It
	// calls allowed before it signs each account JWT. ErrAccountTaken: an account of that
	// name exists and was not created for the project. After any other error, the same call
	// continues where this one has stopped.
	Create(ctx context.Context, projects []string, allowed func() error, progress func(done, total int)) error
	// Created returns the accounts that were created for projects, by name.
	Created() (map[string]Account, error)
	// LeftBy returns the account that was created for a project which is not in the
	// directory any more, or never was; empty: there is none.
	LeftBy(project string) (account string, err error)
	// Close closes an account that was created for a project. It first marks the account as
	// closing, then calls remove, which removes the project from the directory or checks
	// that it is not there. If remove fails, the account stays as it was. purge deletes the
	// streams of the account.
	Close(ctx context.Context, account, project string, purge bool, allowed func() error, remove func(context.Context) error) error
}

// Account is an account that was created for a project.
type Account struct {
	Closing bool // it accepts no connections and no further projects
}

// ErrAccountTaken: an account of this name exists, and was not created for the project.
var ErrAccountTaken = errors.New("the account exists, and was not created for this project")

// accountTimeout is how long creating or closing an account may take.
const accountTimeout = 3 * time.Minute

// paramPurge is the query parameter that deletes the streams of an account with its project.
const paramPurge = "purge"
