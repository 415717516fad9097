package manage

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/directory"
)

func MemberCommand() *cli.Command {
	reads := &remote.Reader[wire.User, wire.UserList]{
		Noun: "member", Args: "USER", InProject: true, Columns: memberColumns(),
		List: func(ctx context.Context, r *remote.Remote) (*wire.UserList, error) {
			return r.API.Members(ctx, r.Project)
		},
		Rows: func(l *wire.UserList) []wire.User { return l.Users },
		Show: func(ctx context.Context, r *remote.Remote) (*wire.User, client.ETag, error) {
			return r.API.Member(ctx, r.Project, r.Arg(0))
		},
	}
	roles := func() cli.Flag {
		return &cli.StringSliceFlag{Name: "role", Usage: "`ROLE` in the project: " + cmdutil.OneOf(directory.Roles())}
	}
	return remote.Group("member", "manage the members of a project", append(reads.Commands(),
		remote.Command{
			Name: "add", Usage: "make a user a member", Args: "USER", InProject: true, CreatesKey: true, Required: []string{"role"},
			ConflictHint: "usher member set replaces the roles of a member",
			Flags:        []cli.Flag{roles(), &cli.BoolFlag{Name: "new", Usage: "make the user, too, and print its key"}},
			Run:          memberAdd,
		},
		remote.SetCommand(reads, remote.Command{Usage: "replace the roles of a member", Flags: []cli.Flag{roles()}, Required: []string{"role"}},
			func(c *cli.Context) (*[]string, error) {
				roles := remote.Values(c, "role")
				return &roles, nil
			},
			func(ctx context.Context, r *remote.Remote, roles *[]string, unchanged client.ETag) (*wire.User, error) {
				return r.API.UpdateMember(ctx, r.Project, r.Arg(0), *roles, unchanged)
			}, memberText),
		remote.RemoveCommand(remote.Command{Usage: "take a member out of the project and its ACLs", Args: "USER", InProject: true, Details: remote.HelpOpenConnections},
			func(r *remote.Remote) string {
				return r.Arg(0) + " from project " + r.Project + "; " + remote.OpenConnectionsStay
			},
			func(ctx context.Context, r *remote.Remote) error {
				return r.API.RemoveMember(ctx, r.Project, r.Arg(0), "")
			},
			nil),
	)...)
}

func memberAdd(ctx context.Context, r *remote.Remote) error {
	roles := remote.Values(r.CLI, "role")
	if !r.CLI.Bool("new") {
		u, err := r.API.AddMember(ctx, r.Project, r.Arg(0), roles)
		if err != nil {
			return err
		}
		return r.Done(u, "%s", memberText(r, u))
	}
	u, err := r.API.CreateMember(ctx, r.Project, r.Arg(0), roles)
	if err != nil {
		return err
	}
	return r.Key(u, u.Token, "made user %s, %s in project %s", u.Name, rolesText(&u.User), r.Project)
}

func memberText(r *remote.Remote, u *wire.User) string {
	return fmt.Sprintf("%s is %s in project %s", u.Name, rolesText(u), r.Project)
}

// A member is shown with this project only.
func memberColumns() []remote.Column[wire.User] {
	return []remote.Column[wire.User]{
		{Name: "name", Cell: func(u *wire.User) string { return u.Name }},
		{Name: "roles", Cell: rolesText},
		{Name: "topics", Cell: func(u *wire.User) string { return remote.CommaList(here(u).Topics) }},
		{Name: "subscriptions", Cell: func(u *wire.User) string { return remote.CommaList(here(u).Subscriptions) }},
		{Name: "enabled", Details: true, Cell: func(u *wire.User) string { return remote.YesNo(u.Enabled) }},
		{Name: "email", Details: true, Cell: func(u *wire.User) string { return u.Email }},
		{Name: "uuid", Details: true, Cell: func(u *wire.User) string { return u.UUID }},
	}
}

func here(member *wire.User) wire.UserProject {
	if len(member.Projects) == 0 {
		return wire.UserProject{}
	}
	return member.Projects[0]
}

func rolesText(member *wire.User) string { return remote.CommaList(here(member).Roles) }
