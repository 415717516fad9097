package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/fault"
	"usher/internal/plural"
)

// listed is how many sessions that were not closed the text output names.
const listed = 20

func kick(ctx context.Context, r *remote.Session) error {
	c := r.CLI
	in := &wire.SessionKick{
		SessionFilter: filterOf(c), All: c.Bool("all"), Reason: c.String("reason"), DryRun: c.Bool("dry-run"), Rate: c.Int("rate"),
	}
	if in.Reason == "" && !in.DryRun {
		return cmdutil.UsageError("the audit keeps it: --reason TEXT", "--reason is missing")
	}
	in.IDs = c.Args().Slice()
	project := c.String("project")
	f := &in.SessionFilter
	filtered := isFiltered(f)
	switch {
	case filtered && in.All:
		return cmdutil.UsageError("", "--all and a filter: give only one of them")
	case !filtered && project != "":
		in.All = true // of the project
	case !filtered && !in.All:
		return cmdutil.UsageError("give IDs of usher session list, a filter such as --user U, or --all", "no sessions given")
	}
	if !in.DryRun && !c.Bool("yes") {
		if err := confirm(ctx, r, project, in); err != nil {
			return err
		}
	}
	result, err := r.API.Kick(ctx, project, in, func(l *wire.KickLine) {
		if l.Done > 0 {
			r.Infof("closed %d of %d", l.Done, l.Total)
		}
	})
	if err != nil {
		return err
	}
	if err := r.PrintDone(result, "%s", resultText(result)); err != nil {
		return err
	}
	for _, n := range result.NotClosed[:min(listed, len(result.NotClosed))] {
		r.Infof("not closed: %s %s: %s", n.ID, remote.Printable(n.User), remote.Printable(n.Cause))
	}
	if left := len(result.NotClosed) + result.NotTried; left > 0 && !in.DryRun {
		return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%s not closed", plural.Count(left, "session")), Hint: "the same command tries again"}
	}
	return nil
}

// isFiltered reports whether a filter excludes sessions.
func isFiltered(f *wire.SessionFilter) bool {
	return len(f.IDs) > 0 || cmp.Or(f.User, f.Key, f.Method, f.Account, f.Server, f.From, f.Since, f.EndsWithin, f.Subject) != ""
}

var errNotConfirmed = errors.New("not confirmed: nothing was closed")

// confirm asks whether to close as many sessions as there are now, and has the API close
// nothing if there are others by then.
func confirm(ctx context.Context, r *remote.Session, project string, in *wire.SessionKick) error {
	dry := *in
	dry.DryRun = true
	result, err := r.API.Kick(ctx, project, &dry, func(*wire.KickLine) {})
	if err != nil {
		return err
	}
	in.Expected = &result.Sessions
	if result.Sessions == 0 {
		return nil
	}
	text := fmt.Sprintf("this closes %s", plural.Count(result.Sessions, "session"))
	unconfirmed := cmdutil.UsageError("confirm it with --yes", "%s", text)
	if r.CLI.String("key-file") == "-" { // the key came from there
		return unconfirmed
	}
	return cmdutil.Confirm(r.CLI, "T"+text[1:]+".", unconfirmed, &fault.Error{Kind: fault.Runtime, Err: errNotConfirmed})
}

func resultText(k *wire.KickResult) string {
	text := fmt.Sprintf("closed %d of %s", k.Closed, plural.Count(k.Sessions, "session"))
	if k.DryRun {
		text = fmt.Sprintf("would close %s; usher session list shows them", plural.Count(k.Sessions, "session"))
	}
	if k.OtherGrants > 0 {
		text += fmt.Sprintf("; %d more also hold for something else: only a service admin can close them", k.OtherGrants)
	}
	return text
}
