package manage

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

// confirm has a person say that something may go; without one it takes --yes. lost
// says what would go, and is called only then.
func (r *remote) confirm(lost func() (string, error)) error {
	if r.c.Bool("yes") {
		return nil
	}
	text, err := lost()
	if err != nil {
		return err
	}
	needed := cmdutil.UsageError("--yes removes it", "this removes %s", text)
	if !cmdutil.IsTerminal(r.c.App.Reader) || r.c.String("key-file") == "-" {
		return needed
	}
	fmt.Fprintf(r.c.App.ErrWriter, "This removes %s. Go on? [y/N] ", text)
	answer, err := bufio.NewReader(r.c.App.Reader).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	case "":
		if err != nil { // nobody is there
			fmt.Fprintln(r.c.App.ErrWriter)
			return needed
		}
	}
	return &fault.Error{Kind: fault.Runtime, Err: errNotConfirmed}
}

// stillOpen says what removing a key, or whoever has it, does not do.
const (
	stillOpen = "connections that are open last until they end (user_jwt.max_lifetime)"
	helpOpen  = "Connections that are open last until they end (user_jwt.max_lifetime)."
)

// rmVerb is a verb rm. what says what it removes; lost, if not nil, what goes along
// with it, which a person has to agree to.
func rmVerb(v verb, what func(r *remote) string, remove func(ctx context.Context, r *remote) error, lost func(ctx context.Context, r *remote) (string, error)) verb {
	v.name = "rm"
	usage := "do not ask"
	if lost == nil {
		usage = "for scripts that remove many kinds of things: nobody is asked here"
	}
	v.flags = append([]cli.Flag{yesFlag(usage)}, v.flags...)
	v.do = func(ctx context.Context, r *remote) error {
		if lost != nil {
			if err := r.confirm(func() (string, error) { return lost(ctx, r) }); err != nil {
				return err
			}
		}
		if err := remove(ctx, r); err != nil {
			return err
		}
		r.tell("removed %s", what(r))
		return nil
	}
	return v
}

func yesFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: usage}
}
