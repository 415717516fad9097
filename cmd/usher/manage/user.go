package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/app/explanation"
	"usher/directory"
)

func UserCommand() *cli.Command {
	reads := &reader[wire.User, wire.UserList]{
		thing: "user", args: "NAME", columns: userColumns(),
		flags: []cli.Flag{&cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "only members of project `P`"}},
		list: func(ctx context.Context, r *remote) (*wire.UserList, error) {
			return r.api.Users(ctx, r.c.String("project"))
		},
		rows: func(l *wire.UserList) []wire.User { return l.Users },
		show: func(ctx context.Context, r *remote) (*wire.User, client.ETag, error) { return r.api.User(ctx, r.arg(0)) },
	}
	return nounCommand("user", "manage users", append(reads.verbs(),
		verb{
			name: "add", usage: "make a user with a key", args: "NAME", flags: userFlags(), makesKey: true,
			more: "Prints the key on stdout, once: usher keeps none.",
			do: func(ctx context.Context, r *remote) error {
				u, err := r.api.CreateUser(ctx, r.arg(0), userInput(r.c))
				if err != nil {
					return err
				}
				return r.key(u, u.Token, "made user %s", u.Name)
			},
		},
		setVerb(reads, verb{
			usage: "change what is given of a user", flags: userChanges(), clash: lastAdmin,
			more: "Options that may be repeated replace what was there; with '' alone they take all\nof it away. With --disable,\n" + stillOpen + ".",
		}, userChange, func(ctx context.Context, r *remote, in *wire.UserInput, unchanged client.ETag) (*wire.User, error) {
			return r.api.UpdateUser(ctx, r.arg(0), in, unchanged)
		}, changedUser),
		rmVerb(verb{usage: "remove a user with its keys and memberships", args: "NAME", more: helpOpen, clash: lastAdmin},
			func(r *remote) string { return "user " + r.arg(0) + "; " + stillOpen },
			func(ctx context.Context, r *remote) error { return r.api.DeleteUser(ctx, r.arg(0), "") },
			userLost),
		verb{
			name: "permissions", usage: "say what a user would get on connecting to NATS, and why", args: "NAME",
			more: "What any key of the user gets that works: usher explain says it of one key, with its\n" +
				"own end and networks. Exits 4 if it would be denied, or if no key of the user works\nnow.",
			flags: []cli.Flag{&cli.StringFlag{
				Name: "project", Aliases: []string{"p"},
				Usage: "as if the client asked for project `P`",
			}},
			do: userPermissions,
		},
		verb{
			name: "profile", usage: "say whose key this is",
			do: func(ctx context.Context, r *remote) error {
				u, err := r.api.Profile(ctx)
				if err != nil {
					return err
				}
				return r.print(u, func() error { return printOne(r.c.App.Writer, userColumns(), u) })
			},
		},
	)...)
}

func userColumns() []column[wire.User] {
	return []column[wire.User]{
		{name: "name", cell: func(u *wire.User) string { return u.Name }},
		{name: "enabled", cell: func(u *wire.User) string { return yesNo(u.Enabled) }},
		{name: "service roles", cell: func(u *wire.User) string { return commaList(u.ServiceRoles) }},
		{name: "projects", cell: func(u *wire.User) string {
			var projects []string
			for _, p := range u.Projects {
				projects = append(projects, fmt.Sprintf("%s (%s)", p.Project, commaList(p.Roles)))
			}
			return commaList(projects)
		}},
		{name: "email", cell: func(u *wire.User) string { return u.Email }},
		{name: "first name", more: true, cell: func(u *wire.User) string { return u.FirstName }},
		{name: "last name", more: true, cell: func(u *wire.User) string { return u.LastName }},
		{name: "organization", more: true, cell: func(u *wire.User) string { return u.Organization }},
		{name: "description", more: true, cell: func(u *wire.User) string { return u.Description }},
		{name: "connection types", more: true, cell: func(u *wire.User) string { return commaList(u.ConnectionTypes) }},
		{name: "uuid", more: true, cell: func(u *wire.User) string { return u.UUID }},
		{name: "created", more: true, cell: func(u *wire.User) string { return timeText(u.CreatedOn) }},
		{name: "created by", more: true, cell: func(u *wire.User) string { return u.CreatedBy }},
		{name: "modified", more: true, cell: func(u *wire.User) string { return timeText(u.ModifiedOn) }},
	}
}

func userTexts() []textOption[wire.UserInput] {
	return []textOption[wire.UserInput]{
		{"email", "`ADDRESS` of the user", func(in *wire.UserInput) **string { return &in.Email }},
		{"first-name", "first `NAME`", func(in *wire.UserInput) **string { return &in.FirstName }},
		{"last-name", "last `NAME`", func(in *wire.UserInput) **string { return &in.LastName }},
		{"organization", "organization: any `TEXT`", func(in *wire.UserInput) **string { return &in.Organization }},
		{"description", "description: any `TEXT`", func(in *wire.UserInput) **string { return &in.Description }},
	}
}

func userFlags() []cli.Flag {
	return append(textFlags(userTexts()),
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
	in := &wire.UserInput{ServiceRoles: words(c, "service-role"), ConnectionTypes: words(c, "connection-type")}
	fill(c, in, userTexts())
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
	in.Name, err = newName(c)
	return in, err
}

func changedUser(r *remote, u *wire.User) string {
	text := "changed user " + u.Name
	if r.c.Bool("disable") {
		text += "; " + stillOpen
	}
	return text
}

// lastAdmin is what to do if a change would leave nobody who can administer.
const lastAdmin = "make another service admin first, with a key that does not end: usher user add --service-role service_admin NAME"

// userLost says what goes when a user goes.
func userLost(ctx context.Context, r *remote) (string, error) {
	u, _, err := r.api.User(ctx, r.arg(0))
	if err != nil {
		return "", err
	}
	keys, err := r.api.Keys(ctx, r.arg(0))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("user %s with %s, from %s and from the ACLs there",
		u.Name, plural.Count(len(keys.Keys), "key"), plural.Count(len(u.Projects), "project")), nil
}

func userPermissions(ctx context.Context, r *remote) error {
	if p := r.c.String("project"); p != "" {
		if err := checkName("project", p); err != nil {
			return err
		}
	}
	answer, err := r.api.Permissions(ctx, r.arg(0), r.c.String("project"))
	if err != nil {
		return err
	}
	var x explanation.Explanation
	if err := json.Unmarshal(answer, &x); err != nil {
		return fmt.Errorf("%w: %w", client.ErrResponse, err)
	}
	err = r.print(answer, func() error {
		var text strings.Builder
		if err := x.WriteText(&text); err != nil {
			return err
		}
		for line := range strings.Lines(text.String()) {
			fmt.Fprintln(r.c.App.Writer, printable(strings.TrimSuffix(line, "\n")))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := cmdutil.OutcomeError(&x); err != nil {
		return err
	}
	keys, err := r.api.Keys(ctx, r.arg(0))
	if err != nil {
		return err
	}
	if none := noKeyWorks(keys.Keys, time.Now()); none != "" {
		return &fault.Error{Kind: fault.Denied, Err: errors.New("no key of user " + r.arg(0) + " works now: " + none), Hint: "usher key add and usher key refresh make one"}
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
			why = append(why, k.Name+" ended at "+timeText(k.ExpiresOn))
		case k.NotBefore.After(now):
			why = append(why, k.Name+" begins at "+timeText(k.NotBefore))
		default:
			return ""
		}
	}
	return firstFew(why)
}
