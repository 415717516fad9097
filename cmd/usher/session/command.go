package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/app/explanation"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
)

// Command returns "usher session".
func Command() *cli.Command {
	return remote.Group("session", "see and close live sessions",
		remote.Command{
			Name: "list", Usage: "list the live sessions", Flags: append(filterFlags(), detailsFlag()),
			Description: "Lists the connections that usher has granted, newest first. With --project, an\n" +
				"administrator of the project may call it, and sees less of a session that also\n" +
				"holds for something else.\n\n" +
				"If usher cannot ask the servers, sessions that have ended may still be listed, and\n" +
				"those that no usher granted are missing. A note on stderr says so, and why; in the\n" +
				"JSON that is \"unconfirmed\".",
			ForbiddenHint: needsProject,
			Run:           list,
		},
		remote.Command{
			Name: "show", Usage: "show one session, and why it has its grant", Args: "ID", UncheckedArgs: true, Flags: []cli.Flag{projectFlag()},
			Description: "ID is that of usher session list. Shows the reasons for the grant as it was when\n" +
				"the client connected, and as it would be now.",
			ForbiddenHint: needsProject,
			NotFoundHint:  "it has ended, or another usher has granted it a moment ago; usher session list",
			Run:           show,
		},
		remote.Command{
			Name: "kick", Usage: "close sessions", Args: "[ID...]", UncheckedArgs: true,
			Flags: append(filterFlags(),
				&cli.BoolFlag{Name: "all", Usage: "close every session"},
				&cli.StringFlag{Name: "reason", Usage: "required: `TEXT` for the audit; not needed with --dry-run"},
				&cli.BoolFlag{Name: "dry-run", Usage: "only count the sessions"},
				&cli.IntFlag{Name: "rate", Usage: "close at most `N` sessions in a second", DefaultText: "500"},
				remote.YesFlag("do not ask; closes the sessions of that moment, however many they are"),
			),
			ForbiddenHint: needsProject,
			ConflictHint:  "sessions came or went in between: run the command again, or give --yes",
			Description: "Closes the sessions with these IDs, or those that match every filter. The audit\n" +
				"keeps the reason, which has to be given. Asks before it does, with their number;\n" +
				"if the number has changed by then, it closes nothing. The clients come back at\n" +
				"once unless their next connect is denied: to keep somebody out, remove the key,\n" +
				"disable the user, or ban them.",
			Run: kick,
		},
	)
}

const needsProject = "only a service_admin sees all sessions; an administrator of a project gives --project P"

func projectFlag() cli.Flag {
	return &cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "only sessions with roles in the project `P`"}
}

func detailsFlag() cli.Flag {
	return &cli.BoolFlag{Name: "details", Usage: "ask the servers for idle time, messages, bytes and subscriptions"}
}

func filterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "user", Usage: "only sessions of the user `U`"},
		projectFlag(),
		&cli.StringFlag{Name: "key", Usage: "only sessions of keys with the name `K`"},
		&cli.StringFlag{Name: "on", Usage: "only sessions on the nats-server `S`, its name or public nkey"},
		&cli.StringFlag{Name: "from", Usage: "only clients from the address or network `NET`, such as 192.0.2.0/24"},
		&cli.StringFlag{Name: "since", Usage: "only sessions that began at `T` or later: a time, or a duration such as 1h or 7d"},
		&cli.StringFlag{Name: "subject", Usage: "only sessions that may publish or subscribe to something that `S` matches"},
		&cli.StringFlag{Name: "account", Usage: "only sessions in the NATS account `A`"},
		&cli.StringFlag{Name: "method", Usage: "only sessions whose credential was verified by `METHOD`, such as apikey"},
		&cli.StringFlag{Name: "ends-within", Usage: "only sessions that end within `T`: a duration such as 1h or 7d, or a time"},
	}
}

func filterOf(c *cli.Context) wire.SessionFilter {
	return wire.SessionFilter{
		User: c.String("user"), Key: c.String("key"), Server: c.String("on"), From: c.String("from"), Since: cmdutil.WithoutDays(c.String("since")),
		Subject: c.String("subject"), Account: c.String("account"), Method: c.String("method"), EndsWithin: cmdutil.WithoutDays(c.String("ends-within")),
	}
}

func list(ctx context.Context, r *remote.Session) error {
	f, details := filterOf(r.CLI), r.CLI.Bool("details")
	all, err := r.API.Sessions(ctx, r.CLI.String("project"), &f, details)
	if err != nil {
		return err
	}
	if all.Unconfirmed != "" {
		r.Infof("usher cannot ask the servers, so some of the sessions may have ended: %s", remote.Printable(all.Unconfirmed))
	}
	if len(all.Sessions) == 0 {
		r.Infof("no session matches%s", unknown(ctx, r, &f))
	}
	return r.Print(all, func() error { return remote.PrintTable(r.CLI.App.Writer, columns(details), all.Sessions) })
}

// unknown says which part of a filter that finds nothing is not known at all; empty: none, as
// far as one request can tell.
func unknown(ctx context.Context, r *remote.Session, f *wire.SessionFilter) string {
	var text string
	if f.User != "" {
		var refused *client.Error
		if _, _, err := r.API.User(ctx, f.User); errors.As(err, &refused) && refused.Code == http.StatusNotFound {
			text += "; the directory has no user " + remote.Printable(f.User)
		}
	}
	others := *f
	if others.Server = ""; f.Server != "" && !isFiltered(&others) {
		text += "; none is on a server " + remote.Printable(f.Server) + " (usher session list shows their names)"
	}
	return text
}

func show(ctx context.Context, r *remote.Session) error {
	if err := cmdutil.ExactArgs(r.CLI, 1); err != nil {
		return err
	}
	s, err := r.API.Session(ctx, r.CLI.String("project"), r.Arg(0))
	if err != nil {
		return err
	}
	return r.Print(s, func() error { return printSession(r.CLI.App.Writer, s) })
}

// printSession prints a session, and the reasons for its grant.
func printSession(out io.Writer, s *wire.SessionExplained) error {
	if err := remote.PrintItem(out, columns(s.Details != nil), &s.Session); err != nil {
		return err
	}
	same := len(s.Now) > 0 && s.Lost == "" && s.Gained == ""
	if same {
		fmt.Fprintf(out, "\nThe grant would be the same now%s.\n", sooner(s))
	}
	if s.Lost != "" {
		fmt.Fprintf(out, "\nNow it would not have: %s\n", remote.Printable(s.Lost))
	}
	if s.Gained != "" {
		fmt.Fprintf(out, "\nNow it would also have: %s\n", remote.Printable(s.Gained))
	}
	for _, part := range []struct {
		title string
		text  []byte
		shown bool
	}{{"The grant as it was:", s.Was, true}, {"The grant as it would be now:", s.Now, !same}} {
		if len(part.text) == 0 || !part.shown {
			continue
		}
		text, err := explained(part.text)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s\n%s", part.title, strings.TrimRight(text, "\n")+"\n")
	}
	return nil
}

// sooner says that the grant would end sooner now than the session does, as after a key has
// got an end; empty: it would not.
func sooner(s *wire.SessionExplained) string {
	var now explanation.Explanation
	if json.Unmarshal(s.Now, &now) != nil || now.Grant == nil || now.Grant.Ends == nil {
		return ""
	}
	end := *now.Grant.Ends
	if !s.ExpiresOn.IsZero() && !end.Before(s.ExpiresOn) {
		return ""
	}
	return fmt.Sprintf(", but ends at %s: %s", end.UTC().Format(time.RFC3339), remote.Printable(now.Grant.EndsBecause))
}
