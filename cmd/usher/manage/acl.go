package manage

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/directory"
)

// Commands that aclChange treats differently.
const (
	aclSet    = "set"
	aclRemove = "remove"
)

// ACLCommand returns "usher acl".
func ACLCommand() *cli.Command {
	resource := func(more ...cli.Flag) []cli.Flag {
		return append([]cli.Flag{
			&cli.StringFlag{Name: "topic", Usage: "the ACL of topic `T`: who may publish to it"},
			&cli.StringFlag{Name: "subscription", Usage: "the ACL of subscription `S`: who may consume it"},
		}, more...)
	}
	return remote.Group("acl", "manage who may publish to a topic, or consume a subscription",
		remote.Command{
			Name: "show", Usage: "list the users of an ACL", NeedsProject: true, Flags: resource(),
			Run: func(ctx context.Context, r *remote.Session) error {
				of, _, err := aclOf(r)
				if err != nil {
					return err
				}
				list, _, err := r.API.ACL(ctx, of)
				if err != nil {
					return err
				}
				return r.Print(list, func() error {
					for _, name := range list.AuthorizedUsers {
						fmt.Fprintln(r.CLI.App.Writer, remote.Printable(name))
					}
					return nil
				})
			},
		},
		aclChange(aclSet, "replace the users of an ACL", "To empty the ACL, give --none instead of users.",
			resource(&cli.BoolFlag{Name: "none", Usage: "empty the ACL"}),
			func(_, given []string) []string { return given }),
		aclChange("add", "add users to an ACL", "A concurrent change by somebody else is kept.", resource(), func(users, given []string) []string {
			for _, name := range given {
				if !slices.Contains(users, name) {
					users = append(users, name)
				}
			}
			return users
		}),
		aclChange(aclRemove, "remove users from an ACL", "A concurrent change by somebody else is kept.",
			resource(remote.YesFlag(remote.AlwaysYes)), func(users, given []string) []string {
				return slices.DeleteFunc(users, func(name string) bool { return slices.Contains(given, name) })
			}),
	)
}

// aclChange returns a command that replaces the users of an ACL by the result of change,
// which gets the current users and the given ones.
func aclChange(name, usage, description string, flags []cli.Flag, change func(users, given []string) []string) remote.Command {
	v := remote.Command{
		Name: name, Usage: usage, Description: description, Args: "USER...", NeedsProject: true, Flags: flags,
		NotFoundHint: "check the names of project, topic and subscription; only members can be in an ACL: usher user add USER creates a user, usher member add --role ROLE USER a member",
		Run: func(ctx context.Context, r *remote.Session) error {
			of, what, err := aclOf(r)
			if err != nil {
				return err
			}
			given := r.CLI.Args().Slice()
			if none := r.CLI.Bool("none"); none != (len(given) == 0) {
				if none {
					return cmdutil.UsageError("", "--none and users: give only one of them")
				}
				if name == aclSet {
					return cmdutil.UsageError("give at least one user, or --none to empty the ACL", "missing argument: USER")
				}
				return cmdutil.UsageError("give at least one user", "missing argument: USER")
			}
			var before []string
			list, err := r.API.ChangeACL(ctx, of, func(users []string) []string {
				before = slices.Clone(users)
				return change(users, given)
			})
			if err != nil {
				return err
			}
			if err := r.PrintDone(list, "%s: %s", what, aclText(list)); err != nil || name == aclRemove {
				return err
			}
			if name == aclSet {
				noteRemoved(r, before, list.AuthorizedUsers)
			}
			return noteMissingRoles(ctx, r, given)
		},
	}
	if name == aclRemove {
		v.Aliases = []string{"rm"}
	}
	return v
}

// noteRemoved names the users that acl set has taken out: some expect that it adds.
func noteRemoved(r *remote.Session, before, after []string) {
	removed := slices.DeleteFunc(before, func(name string) bool { return slices.Contains(after, name) })
	if r.CLI.Bool("json") || len(removed) == 0 {
		return
	}
	cmdutil.Note(r.CLI.App.ErrWriter, "no longer: "+remote.JoinList(removed))
	cmdutil.Hint(r.CLI.App.ErrWriter, "usher acl add keeps the users that are there")
}

// noteMissingRoles notes users that lack the role without which an ACL has no effect.
func noteMissingRoles(ctx context.Context, r *remote.Session, users []string) error {
	if r.CLI.Bool("json") || len(users) == 0 {
		return nil
	}
	role := directory.RolePublisher
	if r.CLI.String("subscription") != "" {
		role = directory.RoleConsumer
	}
	members, err := r.API.Members(ctx, r.Project)
	if err != nil {
		return err
	}
	for i := range members.Users {
		m := &members.Users[i]
		roles := membership(m).Roles
		if !slices.Contains(users, m.Name) || slices.Contains(roles, string(role)) {
			continue
		}
		cmdutil.Note(r.CLI.App.ErrWriter, fmt.Sprintf("%s lacks role %s in the project; without it the ACL has no effect", remote.Printable(m.Name), role))
		hint := "usher member set"
		for _, name := range append(slices.Clone(roles), string(role)) {
			hint += " --role " + remote.Printable(name)
		}
		cmdutil.Hint(r.CLI.App.ErrWriter, hint+" "+remote.Printable(m.Name))
	}
	return nil
}

func aclText(list *wire.ACL) string {
	if len(list.AuthorizedUsers) == 0 {
		return "(no users)"
	}
	return remote.JoinList(list.AuthorizedUsers)
}

// aclOf returns the resource of the ACL, and the start of a sentence about its users.
func aclOf(r *remote.Session) (client.Resource, string, error) {
	topic, subscription := r.CLI.String("topic"), r.CLI.String("subscription")
	if (topic == "") == (subscription == "") {
		return client.Resource{}, "", cmdutil.UsageError("give either --topic T or --subscription S", "no ACL given")
	}
	if topic != "" {
		return client.TopicOf(r.Project, topic), "may publish to topic " + topic, remote.CheckName("topic", topic)
	}
	return client.SubscriptionOf(r.Project, subscription), "may consume subscription " + subscription, remote.CheckName("subscription", subscription)
}
