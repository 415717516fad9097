package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/app/explanation"
	"usher/directory"
)

func UserCommand() *cli.Command {
	reads := &remote.Reader[wire.User, wire.UserList]{
		Noun: "user", Args: "NAME", Columns: userColumns(),
		Flags: []cli.Flag{&cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "only members of project `P`"}},
		List: func(ctx context.Context, r *remote.Remote) (*wire.UserList, error) {
			return r.API.Users(ctx, r.CLI.String("project"))
		},
		Rows: func(l *wire.UserList) []wire.User { return l.Users },
		Show: func(ctx context.Context, r *remote.Remote) (*wire.User, client.ETag, error) {
			return r.API.User(ctx, r.Arg(0))
		},
	}
	return remote.Group("user", "manage users", append(reads.Commands(),
		remote.Command{
			Name: "add", Usage: "make a user with a key", Args: "NAME", Flags: userFlags(), CreatesKey: true,
			Details: "Prints the key on stdout, once: usher keeps none.",
			Run: func(ctx context.Context, r *remote.Remote) error {
				u, err := r.API.CreateUser(ctx, r.Arg(0), userInput(r.CLI))
				if err != nil {
					return err
				}
				return r.Key(u, u.Token, "made user %s", u.Name)
			},
		},
		remote.SetCommand(reads, remote.Command{
			Usage: "change what is given of a user", Flags: userChanges(), ConflictHint: lastAdmin,
			Details: "Options that may be repeated replace what was there; with '' alone they take all\nof it away. With --disable,\n" + remote.OpenConnectionsStay + ".",
		}, userChange, func(ctx context.Context, r *remote.Remote, in *wire.UserInput, unchanged client.ETag) (*wire.User, error) {
			return r.API.UpdateUser(ctx, r.Arg(0), in, unchanged)
		}, changedUser),
		remote.RemoveCommand(remote.Command{Usage: "remove a user with its keys and memberships", Args: "NAME", Details: remote.HelpOpenConnections, ConflictHint: lastAdmin},
			func(r *remote.Remote) string { return "user " + r.Arg(0) + "; " + remote.OpenConnectionsStay },
			func(ctx context.Context, r *remote.Remote) error { return r.API.DeleteUser(ctx, r.Arg(0), "") },
			userLost),
		remote.Command{
			Name: "permissions", Usage: "say what a user would get on connecting to NATS, and why", Args: "NAME",
			Details: "What any key of the user gets that works: usher explain says it of one key, with its\n" +
				"own end and networks. Exits 4 if it would be denied, or if no key of the user works\nnow.",
			Flags: []cli.Flag{&cli.StringFlag{
				Name: "project", Aliases: []string{"p"},
				Usage: "as if the client asked for project `P`",
			}},
			Run: userPermissions,
		},
		remote.Command{
			Name: "profile", Usage: "say whose key this is",
			Run: func(ctx context.Context, r *remote.Remote) error {
				u, err := r.API.Profile(ctx)
				if err != nil {
					return err
				}
				return r.Print(u, func() error { return remote.PrintOne(r.CLI.App.Writer, userColumns(), u) })
			},
		},
	)...)
}

func userColumns() []remote.Column[wire.User] {
	return []remote.Column[wire.User]{
		{Name: "name", Cell: func(u *wire.User) string { return u.Name }},
		{Name: "enabled", Cell: func(u *wire.User) string { return remote.YesNo(u.Enabled) }},
		{Name: "service roles", Cell: func(u *wire.User) string { return remote.CommaList(u.ServiceRoles) }},
		{Name: "projects", Cell: func(u *wire.User) string {
			var projects []string
			for _, p := range u.Projects {
				projects = append(projects, fmt.Sprintf("%s (%s)", p.Project, remote.CommaList(p.Roles)))
			}
			return remote.CommaList(projects)
		}},
		{Name: "email", Cell: func(u *wire.User) string { return u.Email }},
		{Name: "first name", Details: true, Cell: func(u *wire.User) string { return u.FirstName }},
		{Name: "last name", Details: true, Cell: func(u *wire.User) string { return u.LastName }},
		{Name: "organization", Details: true, Cell: func(u *wire.User) string { return u.Organization }},
		{Name: "description", Details: true, Cell: func(u *wire.User) string { return u.Description }},
		{Name: "connection types", Details: true, Cell: func(u *wire.User) string { return remote.CommaList(u.ConnectionTypes) }},
		{Name: "uuid", Details: true, Cell: func(u *wire.User) string { return u.UUID }},
		{Name: "created", Details: true, Cell: func(u *wire.User) string { return remote.TimeText(u.CreatedOn) }},
		{Name: "created by", Details: true, Cell: func(u *wire.User) string { return u.CreatedBy }},
		{Name: "modified", Details: true, Cell: func(u *wire.User) string { return remote.TimeText(u.ModifiedOn) }},
	}
}

func userTexts() []remote.TextOption[wire.UserInput] {
	return []remote.TextOption[wire.UserInput]{
		{Name: "email", Usage: "`ADDRESS` of the user", Field: func(in *wire.UserInput) **string { return &in.Email }},
		{Name: "first-name", Usage: "first `NAME`", Field: func(in *wire.UserInput) **string { return &in.FirstName }},
		{Name: "last-name", Usage: "last `NAME`", Field: func(in *wire.UserInput) **string { return &in.LastName }},
		{Name: "organization", Usage: "organization: any `TEXT`", Field: func(in *wire.UserInput) **string { return &in.Organization }},
		{Name: "description", Usage: "description: any `TEXT`", Field: func(in *wire.UserInput) **string { return &in.Description }},
	}
}

func userFlags() []cli.Flag {
	return append(remote.TextFlags(userTexts()),
		&cli.StringSliceFlag{Name: "service-role", Usage: "`SERVICE_ROLE` that it has across projects: " + cmdutil.OneOf(directory.ServiceRoles())},
		&cli.StringSliceFlag{Name: "connection-type", Usage: "`TYPE` of connection that it may use: " + cmdutil.OneOf(directory.ConnectionTypes()) + "; default: all but those of leaf nodes"},
	)
}

// userChanges are the options with which a user can be changed.
func userChanges() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "name", Usage: "its new `NAME`"},
		&cli.BoolFlag{Name: "disable", Usage: "let none of its keys in from the next connect on"},
		&cli.BoolFlag{Name: "enable", Usage: "let its keys in again"},
	}, userFlags()...)
}

func userInput(c *cli.Context) *wire.UserInput {
	in := &wire.UserInput{ServiceRoles: remote.Values(c, "service-role"), ConnectionTypes: remote.Values(c, "connection-type")}
	remote.Fill(c, in, userTexts())
	return in
}

func userChange(c *cli.Context) (*wire.UserInput, error) {
	in := userInput(c)
	if enable, disable := c.Bool("enable"), c.Bool("disable"); enable && disable {
		return nil, cmdutil.UsageError("", "--enable and --disable contradict each other")
	} else if enable || disable {
		in.Enabled = &enable
	}
	var err error
	in.Name, err = remote.NewName(c)
	return in, err
}

func changedUser(r *remote.Remote, u *wire.User) string {
	text := "changed user " + u.Name
	if r.CLI.Bool("disable") {
		text += "; " + remote.OpenConnectionsStay
	}
	return text
}

// lastAdmin is what to do if a change would leave nobody who can administer.
const lastAdmin = "make another service admin first, with a key that does not end: usher user add --service-role service_admin NAME"

// userLost says what goes when a user goes.
func userLost(ctx context.Context, r *remote.Remote) (string, error) {
	u, _, err := r.API.User(ctx, r.Arg(0))
	if err != nil {
		return "", err
	}
	keys, err := r.API.Keys(ctx, r.Arg(0))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("user %s with %s, from %s and from the ACLs there",
		u.Name, plural.Count(len(keys.Keys), "key"), plural.Count(len(u.Projects), "project")), nil
}

func userPermissions(ctx context.Context, r *remote.Remote) error {
	if p := r.CLI.String("project"); p != "" {
		if err := remote.CheckName("project", p); err != nil {
			return err
		}
	}
	answer, err := r.API.Permissions(ctx, r.Arg(0), r.CLI.String("project"))
	if err != nil {
		return err
	}
	var x explanation.Explanation
	if err := json.Unmarshal(answer, &x); err != nil {
		return fmt.Errorf("%w: %w", client.ErrResponse, err)
	}
	err = r.Print(answer, func() error {
		var text strings.Builder
		if err := x.WriteText(&text); err != nil {
			return err
		}
		for line := range strings.Lines(text.String()) {
			fmt.Fprintln(r.CLI.App.Writer, remote.Printable(strings.TrimSuffix(line, "\n")))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := cmdutil.OutcomeError(&x); err != nil {
		return err
	}
	keys, err := r.API.Keys(ctx, r.Arg(0))
	if err != nil {
		return err
	}
	if none := noKeyWorks(keys.Keys, time.Now()); none != "" {
		return &fault.Error{Kind: fault.Denied, Err: errors.New("no key of user " + r.Arg(0) + " works now: " + none), Hint: "usher key add and usher key refresh make one"}
	}
	return nil
}

// noKeyWorks says why none of a user's keys works, wherever it is used from; empty:
// one does.
func noKeyWorks(keys []wire.Key, now time.Time) string {
	if len(keys) == 0 {
		return "there is none"
	}
	var why []string
	for i := range keys {
		switch k := &keys[i]; {
		case !k.Enabled:
			why = append(why, k.Name+" is disabled")
		case !k.ExpiresOn.IsZero() && !k.ExpiresOn.After(now):
			why = append(why, k.Name+" ended at "+remote.TimeText(k.ExpiresOn))
		case k.NotBefore.After(now):
			why = append(why, k.Name+" begins at "+remote.TimeText(k.NotBefore))
		default:
			return ""
		}
	}
	return remote.FirstFew(why)
}
