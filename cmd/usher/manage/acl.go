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

// Verbs that are unlike the others.
const (
	aclSet    = "set"
	aclRemove = "remove"
)

func AclCommand() *cli.Command {
	resource := func(more ...cli.Flag) []cli.Flag {
		return append([]cli.Flag{
			&cli.StringFlag{Name: "topic", Usage: "of topic `T`: who may publish to it"},
			&cli.StringFlag{Name: "subscription", Usage: "of subscription `S`: who may consume it"},
		}, more...)
	}
	return remote.Group("acl", "manage who may publish to a topic, or consume a subscription",
		remote.Command{
			Name: "show", Usage: "list the users of an ACL", InProject: true, Flags: resource(),
			Run: func(ctx context.Context, r *remote.Remote) error {
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
		aclVerb(aclSet, "replace the users of an ACL", "Without users it takes --none, and nobody is left in the ACL.",
			resource(&cli.BoolFlag{Name: "none", Usage: "leave nobody in it"}),
			func(_, given []string) []string { return given }),
		aclVerb("add", "add users to an ACL", "Nobody else's change is lost.", resource(), func(users, given []string) []string {
			for _, name := range given {
				if !slices.Contains(users, name) {
					users = append(users, name)
				}
			}
			return users
		}),
		aclVerb(aclRemove, "take users out of an ACL", "Nobody else's change is lost.",
			resource(remote.YesFlag("for scripts that remove many kinds of things: nobody is asked here")), func(users, given []string) []string {
				return slices.DeleteFunc(users, func(name string) bool { return slices.Contains(given, name) })
			}),
	)
}

// aclVerb is a verb that makes of the users of an ACL, and of those that are given,
// those of a new one.
func aclVerb(name, usage, more string, flags []cli.Flag, change func(users, given []string) []string) remote.Command {
	v := remote.Command{
		Name: name, Usage: usage, Details: more, Args: "USER...", InProject: true, Flags: flags,
		NotFoundHint: "is there such a project, topic or subscription? only members can be in an ACL: usher member add --role ROLE USER",
		Run: func(ctx context.Context, r *remote.Remote) error {
			of, what, err := aclOf(r)
			if err != nil {
				return err
			}
			given := r.CLI.Args().Slice()
			if none := r.CLI.Bool("none"); none != (len(given) == 0) {
				if none {
					return cmdutil.UsageError("", "--none and users contradict each other")
				}
				if name == aclSet {
					return cmdutil.UsageError("give at least one name, or --none to leave nobody in it", "which users?")
				}
				return cmdutil.UsageError("give at least one name", "which users?")
			}
			list, err := r.API.ChangeACL(ctx, of, func(users []string) []string { return change(users, given) })
			if err != nil {
				return err
			}
			if err := r.Done(list, "%s: %s", what, aclText(list)); err != nil || name == aclRemove {
				return err
			}
			return withoutRole(ctx, r, given)
		},
	}
	if name == aclRemove {
		v.Aliases = []string{"rm"}
	}
	return v
}

// withoutRole tells of users that an ACL names to no effect.
func withoutRole(ctx context.Context, r *remote.Remote, users []string) error {
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
		roles := here(m).Roles
		if !slices.Contains(users, m.Name) || slices.Contains(roles, string(role)) {
			continue
		}
		cmdutil.Say(r.CLI.App.ErrWriter, "note", fmt.Sprintf("%s has no role %s here, without which the ACL gives nothing", remote.Printable(m.Name), role))
		hint := "usher member set"
		for _, has := range append(slices.Clone(roles), string(role)) {
			hint += " --role " + remote.Printable(has)
		}
		cmdutil.Say(r.CLI.App.ErrWriter, "hint", hint+" "+remote.Printable(m.Name))
	}
	return nil
}

func aclText(list *wire.ACL) string {
	if len(list.AuthorizedUsers) == 0 {
		return "nobody"
	}
	return remote.CommaList(list.AuthorizedUsers)
}

// aclOf returns what the ACL is of, and how it is called.
func aclOf(r *remote.Remote) (client.Resource, string, error) {
	topic, subscription := r.CLI.String("topic"), r.CLI.String("subscription")
	if (topic == "") == (subscription == "") {
		return client.Resource{}, "", cmdutil.UsageError("--topic T, or --subscription S", "the ACL of what?")
	}
	if topic != "" {
		return client.TopicOf(r.Project, topic), "may publish to topic " + topic, remote.CheckName("topic", topic)
	}
	return client.SubscriptionOf(r.Project, subscription), "may consume subscription " + subscription, remote.CheckName("subscription", subscription)
}
