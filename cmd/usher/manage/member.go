package manage

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/directory"
)

func MemberCommand() *cli.Command {
	reads := &reader[wire.User, wire.UserList]{
		thing: "member", args: "USER", inside: true, columns: memberColumns(),
		list: func(ctx context.Context, r *remote) (*wire.UserList, error) { return r.api.Members(ctx, r.project) },
		rows: func(l *wire.UserList) []wire.User { return l.Users },
		show: func(ctx context.Context, r *remote) (*wire.User, client.ETag, error) {
			return r.api.Member(ctx, r.project, r.arg(0))
		},
	}
	roles := func() cli.Flag {
		return &cli.StringSliceFlag{Name: "role", Usage: "`ROLE` in the project: " + cmdutil.OneOf(directory.Roles())}
	}
	return nounCommand("member", "manage the members of a project", append(reads.verbs(),
		verb{
			name: "add", usage: "make a user a member", args: "USER", inside: true, makesKey: true, needs: []string{"role"},
			clash: "usher member set replaces the roles of a member",
			flags: []cli.Flag{roles(), &cli.BoolFlag{Name: "new", Usage: "make the user, too, and print its key"}},
			do:    memberAdd,
		},
		setVerb(reads, verb{usage: "replace the roles of a member", flags: []cli.Flag{roles()}, needs: []string{"role"}},
			func(c *cli.Context) (*[]string, error) {
				roles := words(c, "role")
				return &roles, nil
			},
			func(ctx context.Context, r *remote, roles *[]string, unchanged client.ETag) (*wire.User, error) {
				return r.api.UpdateMember(ctx, r.project, r.arg(0), *roles, unchanged)
			}, memberText),
		rmVerb(verb{usage: "take a member out of the project and its ACLs", args: "USER", inside: true, more: helpOpen},
			func(r *remote) string { return r.arg(0) + " from project " + r.project + "; " + stillOpen },
			func(ctx context.Context, r *remote) error { return r.api.RemoveMember(ctx, r.project, r.arg(0), "") },
			nil),
	)...)
}

func memberAdd(ctx context.Context, r *remote) error {
	roles := words(r.c, "role")
	if !r.c.Bool("new") {
		u, err := r.api.AddMember(ctx, r.project, r.arg(0), roles)
		if err != nil {
			return err
		}
		return r.done(u, "%s", memberText(r, u))
	}
	u, err := r.api.CreateMember(ctx, r.project, r.arg(0), roles)
	if err != nil {
		return err
	}
	return r.key(u, u.Token, "made user %s, %s in project %s", u.Name, rolesText(&u.User), r.project)
}

func memberText(r *remote, u *wire.User) string {
	return fmt.Sprintf("%s is %s in project %s", u.Name, rolesText(u), r.project)
}

// A member is shown with this project only.
func memberColumns() []column[wire.User] {
	return []column[wire.User]{
		{name: "name", cell: func(u *wire.User) string { return u.Name }},
		{name: "roles", cell: rolesText},
		{name: "topics", cell: func(u *wire.User) string { return commaList(here(u).Topics) }},
		{name: "subscriptions", cell: func(u *wire.User) string { return commaList(here(u).Subscriptions) }},
		{name: "enabled", more: true, cell: func(u *wire.User) string { return yesNo(u.Enabled) }},
		{name: "email", more: true, cell: func(u *wire.User) string { return u.Email }},
		{name: "uuid", more: true, cell: func(u *wire.User) string { return u.UUID }},
	}
}

func here(member *wire.User) wire.UserProject {
	if len(member.Projects) == 0 {
		return wire.UserProject{}
	}
	return member.Projects[0]
}

func rolesText(member *wire.User) string { return commaList(here(member).Roles) }
