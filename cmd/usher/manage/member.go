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

// MemberCommand returns "usher member".
func MemberCommand() *cli.Command {
	resource := &remote.Resource[wire.User, wire.UserList]{
		Noun: "member", Args: "USER", NeedsProject: true, Columns: memberColumns(),
		List: func(ctx context.Context, r *remote.Session) (*wire.UserList, error) {
			return r.API.Members(ctx, r.Project)
		},
		Items: func(l *wire.UserList) []wire.User { return l.Users },
		Get: func(ctx context.Context, r *remote.Session) (*wire.User, client.ETag, error) {
			return r.API.Member(ctx, r.Project, r.Arg(0))
		},
	}
	roles := func() cli.Flag {
		return &cli.StringSliceFlag{Name: "role", Usage: "`ROLE` in the project: " + cmdutil.JoinValues(directory.Roles())}
	}
	return remote.Group("member", "manage the members of a project", append(resource.Commands(),
		remote.Command{
			Name: "add", Usage: "add a user to a project", Args: "USER", NeedsProject: true, CreatesKey: true, RequiredFlags: []string{"role"},
			ConflictHint: "to replace the roles of a member, use usher member set",
			NotFoundHint: "--new also creates the user; usher user add creates one without a project, and usher project list shows the projects",
			Flags:        []cli.Flag{roles(), &cli.BoolFlag{Name: "new", Usage: "create the user first, and print its key"}},
			Run:          memberAdd,
		},
		memberRefreshCommand(),
		remote.SetCommand(resource, remote.Command{Usage: "replace the roles of a member", Flags: []cli.Flag{roles()}, RequiredFlags: []string{"role"}},
			func(c *cli.Context) (*[]string, error) {
				roles, err := rolesOption(c)
				return &roles, err
			},
			func(ctx context.Context, r *remote.Session, roles *[]string, ifMatch client.ETag) (*wire.User, error) {
				return r.API.UpdateMember(ctx, r.Project, r.Arg(0), *roles, ifMatch)
			}, memberText),
		remote.RemoveCommand(remote.Command{Usage: "remove a member from the project and its ACLs", Args: "USER", NeedsProject: true, Description: remote.OpenConnectionsHelp},
			func(r *remote.Session) string {
				return r.Arg(0) + " from project " + r.Project + "; " + remote.OpenConnectionsNote
			},
			func(ctx context.Context, r *remote.Session) error {
				return r.API.RemoveMember(ctx, r.Project, r.Arg(0), "")
			},
			nil),
	)...)
}

func memberAdd(ctx context.Context, r *remote.Session) error {
	roles, err := rolesOption(r.CLI)
	if err != nil {
		return err
	}
	if !r.CLI.Bool("new") {
		u, err := r.API.AddMember(ctx, r.Project, r.Arg(0), roles)
		if err != nil {
			return err
		}
		return r.PrintDone(u, "%s", memberText(r, u))
	}
	u, err := r.API.CreateMember(ctx, r.Project, r.Arg(0), roles)
	if err != nil {
		return err
	}
	return r.PrintKey(u, u.Token, "created user %s, %s in project %s", u.Name, rolesText(&u.User), r.Project)
}

// rolesOption reads --role.
func rolesOption(c *cli.Context) ([]string, error) {
	roles := remote.ListOption(c, "role")
	return roles, cmdutil.CheckSpelling("--role", roles, directory.Roles())
}

func memberText(r *remote.Session, u *wire.User) string {
	return fmt.Sprintf("%s is %s in project %s", u.Name, rolesText(u), r.Project)
}

// memberColumns are the columns of a member. The API returns a member with the requested
// project only.
func memberColumns() []remote.Column[wire.User] {
	return []remote.Column[wire.User]{
		{Name: "name", Value: func(u *wire.User) string { return u.Name }},
		{Name: "roles", Value: rolesText},
		{Name: "topics", Value: func(u *wire.User) string { return remote.JoinList(membership(u).Topics) }},
		{Name: "subscriptions", Value: func(u *wire.User) string { return remote.JoinList(membership(u).Subscriptions) }},
		{Name: "enabled", DetailOnly: true, Value: func(u *wire.User) string { return remote.YesNo(u.Enabled) }},
		{Name: "email", DetailOnly: true, Value: func(u *wire.User) string { return u.Email }},
		{Name: "uuid", DetailOnly: true, Value: func(u *wire.User) string { return u.UUID }},
	}
}

// membership returns the membership in the requested project.
func membership(member *wire.User) wire.UserProject {
	if len(member.Projects) == 0 {
		return wire.UserProject{}
	}
	return member.Projects[0]
}

func rolesText(member *wire.User) string { return remote.JoinList(membership(member).Roles) }
