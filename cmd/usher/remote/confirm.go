package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"
)

var errNotConfirmed = errors.New("nothing was removed")

// Confirm has a person say that something may go; without one it takes --yes. lost
// says what would go, and is called only then.
func (r *Remote) Confirm(lost func() (string, error)) error {
	if r.CLI.Bool("yes") {
		return nil
	}
	text, err := lost()
	if err != nil {
		return err
	}
	needed := cmdutil.UsageError("--yes removes it", "this removes %s", text)
	if !cmdutil.IsTerminal(r.CLI.App.Reader) || r.CLI.String("key-file") == "-" {
		return needed
	}
	fmt.Fprintf(r.CLI.App.ErrWriter, "This removes %s. Go on? [y/N] ", text)
	answer, err := bufio.NewReader(r.CLI.App.Reader).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	case "":
		if err != nil { // nobody is there
			fmt.Fprintln(r.CLI.App.ErrWriter)
			return needed
		}
	}
	return &fault.Error{Kind: fault.Runtime, Err: errNotConfirmed}
}

// OpenConnectionsStay says what removing a key, or whoever has it, does not do.
const (
	OpenConnectionsStay = "connections that are open last until they end (user_jwt.max_lifetime)"
	HelpOpenConnections = "Connections that are open last until they end (user_jwt.max_lifetime)."
)

// RemoveCommand is a verb rm. what says what it removes; lost, if not nil, what goes along
// with it, which a person has to agree to.
func RemoveCommand(v Command, what func(r *Remote) string, remove func(ctx context.Context, r *Remote) error, lost func(ctx context.Context, r *Remote) (string, error)) Command {
	v.Name = "rm"
	usage := "do not ask"
	if lost == nil {
		usage = "for scripts that remove many kinds of things: nobody is asked here"
	}
	v.Flags = append([]cli.Flag{YesFlag(usage)}, v.Flags...)
	v.Run = func(ctx context.Context, r *Remote) error {
		if lost != nil {
			if err := r.Confirm(func() (string, error) { return lost(ctx, r) }); err != nil {
				return err
			}
		}
		if err := remove(ctx, r); err != nil {
			return err
		}
		r.Tell("removed %s", what(r))
		return nil
	}
	return v
}

func YesFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: usage}
}
