package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/manage/credential"
	"usher/cmd/usher/remote"
	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/app/explanation"
	"usher/directory"
)

// UserCommand returns "usher user".
func UserCommand() *cli.Command {
	resource := &remote.Resource[wire.User, wire.UserList]{
		Noun: "user", Args: "NAME", Columns: userColumns(),
		Flags: []cli.Flag{&cli.StringFlag{Name: "project", Aliases: []string{"p"}, Usage: "only members of project `P`"}},
		List: func(ctx context.Context, r *remote.Session) (*wire.UserList, error) {
			return r.API.Users(ctx, r.CLI.String("project"))
		},
		Items: func(l *wire.UserList) []wire.User { return l.Users },
		Get: func(ctx context.Context, r *remote.Session) (*wire.User, client.ETag, error) {
			return r.API.User(ctx, r.Arg(0))
		},
	}
	group := remote.Group("user", "manage users", append(resource.Commands(),
		remote.Command{
			Name: "add", Usage: "create a user with a key", Args: "NAME", Flags: userFlags(), CreatesKey: true,
			Description: "Prints the key on stdout once; usher stores only its digest.",
			Run: func(ctx context.Context, r *remote.Session) error {
				in, err := userInput(r.CLI)
				if err != nil {
					return err
				}
				u, err := r.API.CreateUser(ctx, r.Arg(0), in)
				if err != nil {
					return err
				}
				return r.PrintKey(u, u.Token, "created user %s", u.Name)
			},
		},
		remote.SetCommand(resource, remote.Command{
			Usage: "change the given fields of a user", Flags: userSetFlags(), ConflictHint: lastAdmin,
			Description: "A repeatable option replaces the whole list; a single empty value clears it.\n" + remote.OpenConnectionsHelp,
		}, userChange, func(ctx context.Context, r *remote.Session, in *wire.UserInput, ifMatch client.ETag) (*wire.User, error) {
			return r.API.UpdateUser(ctx, r.Arg(0), in, ifMatch)
		}, changedUser),
		remote.RemoveCommand(remote.Command{Usage: "remove a user with its keys and memberships", Args: "NAME", Description: remote.OpenConnectionsHelp, ConflictHint: lastAdmin},
			func(r *remote.Session) string { return "user " + r.Arg(0) + "; " + remote.OpenConnectionsNote },
			func(ctx context.Context, r *remote.Session) error { return r.API.DeleteUser(ctx, r.Arg(0), "") },
			describeUser),
		remote.Command{
			Name: "permissions", Usage: "show the permissions that a user would get on connecting, and why", Args: "NAME",
			Description: "Shows what a valid key of the user gets. usher explain shows it for one key, with\n" +
				"its expiry and networks. Exits 4 if the user would be denied, or has no valid key.",
			Flags: []cli.Flag{&cli.StringFlag{
				Name: "project", Aliases: []string{"p"},
				Usage: "for a client that requests project `P`",
			}},
			Run: userPermissions,
		},
		remote.Command{
			Name: "profile", Usage: "show the user of the key in use",
			Run: func(ctx context.Context, r *remote.Session) error {
				u, err := r.API.Profile(ctx)
				if err != nil {
					return err
				}
				return r.Print(u, func() error { return remote.PrintItem(r.CLI.App.Writer, userColumns(), u) })
			},
		},
	)...)
	group.Subcommands = append(group.Subcommands, credential.NKeyCommand(), credential.PasswordCommand(), credential.CertificateCommand(), credential.BindingCommand())
	return group
}

func userColumns() []remote.Column[wire.User] {
	return []remote.Column[wire.User]{
		{Name: "name", Value: func(u *wire.User) string { return u.Name }},
		{Name: "enabled", Value: func(u *wire.User) string { return remote.YesNo(u.Enabled) }},
		{Name: "service roles", Value: func(u *wire.User) string { return remote.JoinList(u.ServiceRoles) }},
		{Name: "projects", Value: func(u *wire.User) string {
			var projects []string
			for _, p := range u.Projects {
				projects = append(projects, fmt.Sprintf("%s (%s)", p.Project, remote.JoinList(p.Roles)))
			}
			return remote.JoinList(projects)
		}},
		{Name: "email", Value: func(u *wire.User) string { return u.Email }},
		{Name: "first name", DetailOnly: true, Value: func(u *wire.User) string { return u.FirstName }},
		{Name: "last name", DetailOnly: true, Value: func(u *wire.User) string { return u.LastName }},
		{Name: "organization", DetailOnly: true, Value: func(u *wire.User) string { return u.Organization }},
		{Name: "description", DetailOnly: true, Value: func(u *wire.User) string { return u.Description }},
		{Name: "connection types", DetailOnly: true, Value: func(u *wire.User) string { return remote.JoinList(u.ConnectionTypes) }},
		{Name: "uuid", DetailOnly: true, Value: func(u *wire.User) string { return u.UUID }},
		{Name: "created", DetailOnly: true, Value: func(u *wire.User) string { return remote.FormatTime(u.CreatedOn) }},
		{Name: "created by", DetailOnly: true, Value: func(u *wire.User) string { return u.CreatedBy }},
		{Name: "modified", DetailOnly: true, Value: func(u *wire.User) string { return remote.FormatTime(u.ModifiedOn) }},
	}
}

func userTexts() []remote.TextOption[wire.UserInput] {
	return []remote.TextOption[wire.UserInput]{
		{Name: "email", Usage: "`ADDRESS` of the user", Field: func(in *wire.UserInput) **string { return &in.Email }},
		{Name: "first-name", Usage: "first `NAME`", Field: func(in *wire.UserInput) **string { return &in.FirstName }},
		{Name: "last-name", Usage: "last `NAME`", Field: func(in *wire.UserInput) **string { return &in.LastName }},
		{Name: "organization", Usage: "organization, any `TEXT`", Field: func(in *wire.UserInput) **string { return &in.Organization }},
		{Name: "description", Usage: "description, any `TEXT`", Field: func(in *wire.UserInput) **string { return &in.Description }},
	}
}

func userFlags() []cli.Flag {
	return append(remote.TextFlags(userTexts()),
		&cli.StringSliceFlag{Name: "service-role", Usage: "`SERVICE_ROLE` across projects: " + cmdutil.JoinValues(directory.ServiceRoles())},
		&cli.StringSliceFlag{Name: "connection-type", Usage: "`TYPE` of connection that is allowed: " + cmdutil.JoinValues(directory.ConnectionTypes()), DefaultText: "all but those of leaf nodes"},
	)
}

// userSetFlags returns the options of "user set".
func userSetFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "name", Usage: "new `NAME`"},
		&cli.BoolFlag{Name: "disable", Usage: "deny all its keys from the next connect on"},
		&cli.BoolFlag{Name: "enable", Usage: "accept its keys again"},
	}, userFlags()...)
}

func userInput(c *cli.Context) (*wire.UserInput, error) {
	in := &wire.UserInput{ServiceRoles: remote.ListOption(c, "service-role"), ConnectionTypes: remote.ListOption(c, "connection-type")}
	remote.SetTextFields(c, in, userTexts())
	if err := cmdutil.CheckSpelling("--service-role", in.ServiceRoles, directory.ServiceRoles()); err != nil {
		return nil, err
	}
	return in, cmdutil.CheckSpelling("--connection-type", in.ConnectionTypes, directory.ConnectionTypes())
}

func userChange(c *cli.Context) (*wire.UserInput, error) {
	in, err := userInput(c)
	if err != nil {
		return nil, err
	}
	if enable, disable := c.Bool("enable"), c.Bool("disable"); enable && disable {
		return nil, cmdutil.UsageError("", "--enable and --disable: give only one of them")
	} else if enable || disable {
		in.Enabled = &enable
	}
	in.Name, err = remote.RenameOption(c)
	return in, err
}

func changedUser(r *remote.Session, u *wire.User) string {
	text := "changed user " + u.Name
	if r.CLI.Bool("disable") {
		text += "; " + remote.OpenConnectionsNote
	}
	return text
}

// lastAdmin is the hint when a change would leave no usable service admin.
const lastAdmin = "create another service admin first, with a key that does not expire: usher user add --service-role service_admin NAME"

// describeUser describes what the removal of a user removes.
func describeUser(ctx context.Context, r *remote.Session) (string, error) {
	u, _, err := r.API.User(ctx, r.Arg(0))
	if err != nil {
		return "", err
	}
	keys, err := r.API.Keys(ctx, r.Arg(0))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("user %s with %s, %s and all its ACL entries",
		u.Name, plural.Count(len(keys.Keys), "key"), plural.Count(len(u.Projects), "membership")), nil
}

func userPermissions(ctx context.Context, r *remote.Session) error {
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
	if x.NoKey == "" { // it has a key of another kind, or one of these
		return nil
	}
	if why := whyNoValidKey(keys.Keys, time.Now()); why != "" {
		return &fault.Error{Kind: fault.Denied, Err: errors.New("no key of user " + r.Arg(0) + " is valid now: " + why), Hint: "create one with usher key add or usher key refresh"}
	}
	return nil
}

// whyNoValidKey says why no key of a user is valid, whatever address it is used from. It
// returns "" if one is.
func whyNoValidKey(keys []wire.Key, now time.Time) string {
	if len(keys) == 0 {
		return "the user has none"
	}
	var why []string
	for i := range keys {
		switch k := &keys[i]; {
		case !k.Enabled:
			why = append(why, k.Name+" is disabled")
		case !k.ExpiresOn.IsZero() && !k.ExpiresOn.After(now):
			why = append(why, k.Name+" expired at "+remote.FormatTime(k.ExpiresOn))
		case k.NotBefore.After(now):
			why = append(why, k.Name+" is valid from "+remote.FormatTime(k.NotBefore))
		default:
			return ""
		}
	}
	return remote.JoinFirst(why)
}
