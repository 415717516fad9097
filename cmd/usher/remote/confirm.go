package remote

import (
	"context"
	"errors"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"
)

var errNotConfirmed = errors.New("not confirmed: nothing was removed")

// Confirm asks on the terminal whether to remove something. Without a terminal it
// requires --yes. describe returns what would be removed; it is not called with --yes.
func (r *Session) Confirm(describe func() (string, error)) error {
	if r.CLI.Bool("yes") {
		return nil
	}
	text, err := describe()
	if err != nil {
		return err
	}
	unconfirmed := cmdutil.UsageError("confirm it with --yes", "this removes %s", text)
	if r.CLI.String("key-file") == "-" { // the key came from there
		return unconfirmed
	}
	return cmdutil.Confirm(r.CLI, "This removes "+text+".", unconfirmed, &fault.Error{Kind: fault.Runtime, Err: errNotConfirmed})
}

// What becomes of open connections when something is taken away, as a clause and as
// sentences. The command line does not know whether the server has a user for sessions.
const (
	OpenConnectionsNote = "open connections that lose something are closed, if usher has a user for sessions"
	OpenConnectionsHelp = "Open connections that lose something are closed at once if usher has a user for\n" +
		"sessions; else they stay until their user JWT expires (user_jwt.max_lifetime)."
)

// RemoveCommand completes a command "rm". what names the removed thing. If describe is
// not nil, the user has to confirm the removal of what it returns.
func RemoveCommand(v Command, what func(r *Session) string, remove func(ctx context.Context, r *Session) error, describe func(ctx context.Context, r *Session) (string, error)) Command {
	v.Name = "rm"
	usage := "do not ask"
	if describe == nil {
		usage = AlwaysYes
	}
	v.Flags = append([]cli.Flag{YesFlag(usage)}, v.Flags...)
	v.Run = func(ctx context.Context, r *Session) error {
		if describe != nil {
			if err := r.Confirm(func() (string, error) { return describe(ctx, r) }); err != nil {
				return err
			}
		}
		if err := remove(ctx, r); err != nil {
			return err
		}
		r.Infof("removed %s", what(r))
		return nil
	}
	return v
}

// AlwaysYes is the help of --yes for a command that asks nothing.
const AlwaysYes = "accepted for scripts; this command never asks"

// YesFlag returns the option --yes.
func YesFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: usage}
}
