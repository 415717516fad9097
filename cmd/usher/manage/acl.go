package manage

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
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
	return nounCommand("acl", "manage who may publish to a topic, or consume a subscription",
		verb{
			name: "show", usage: "list the users of an ACL", inside: true, flags: resource(),
			do: func(ctx context.Context, r *remote) error {
				of, _, err := aclOf(r)
				if err != nil {
					return err
				}
				list, _, err := r.api.ACL(ctx, of)
				if err != nil {
					return err
				}
				return r.print(list, func() error {
					for _, name := range list.AuthorizedUsers {
						fmt.Fprintln(r.c.App.Writer, printable(name))
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
			resource(yesFlag("for scripts that remove many kinds of things: nobody is asked here")), func(users, given []string) []string {
				return slices.DeleteFunc(users, func(name string) bool { return slices.Contains(given, name) })
			}),
	)
}

// aclVerb is a verb that makes of the users of an ACL, and of those that are given,
// those of a new one.
func aclVerb(name, usage, more string, flags []cli.Flag, change func(users, given []string) []string) verb {
	v := verb{
		name: name, usage: usage, more: more, args: "USER...", inside: true, flags: flags,
		missing: "is there such a project, topic or subscription? only members can be in an ACL: usher member add --role ROLE USER",
		do: func(ctx context.Context, r *remote) error {
			of, what, err := aclOf(r)
			if err != nil {
				return err
			}
			given := r.c.Args().Slice()
			if none := r.c.Bool("none"); none != (len(given) == 0) {
				if none {
					return cmdutil.UsageError("", "--none and users contradict each other")
				}
				if name == aclSet {
					return cmdutil.UsageError("give at least one name, or --none to leave nobody in it", "which users?")
				}
				return cmdutil.UsageError("give at least one name", "which users?")
			}
			list, err := r.api.ChangeACL(ctx, of, func(users []string) []string { return change(users, given) })
			if err != nil {
				return err
			}
			if err := r.done(list, "%s: %s", what, aclText(list)); err != nil || name == aclRemove {
				return err
			}
			return withoutRole(ctx, r, given)
		},
	}
	if name == aclRemove {
		v.aliases = []string{"rm"}
	}
	return v
}

// withoutRole tells of users that an ACL names to no effect.
func withoutRole(ctx context.Context, r *remote, users []string) error {
	if r.c.Bool("json") || len(users) == 0 {
		return nil
	}
	role := directory.RolePublisher
	if r.c.String("subscription") != "" {
		role = directory.RoleConsumer
	}
	members, err := r.api.Members(ctx, r.project)
	if err != nil {
		return err
	}
	for i := range members.Users {
		m := &members.Users[i]
		roles := here(m).Roles
		if !slices.Contains(users, m.Name) || slices.Contains(roles, string(role)) {
			continue
		}
		cmdutil.Say(r.c.App.ErrWriter, "note", fmt.Sprintf("%s has no role %s here, without which the ACL gives nothing", printable(m.Name), role))
		hint := "usher member set"
		for _, has := range append(slices.Clone(roles), string(role)) {
			hint += " --role " + printable(has)
		}
		cmdutil.Say(r.c.App.ErrWriter, "hint", hint+" "+printable(m.Name))
	}
	return nil
}

func aclText(list *wire.ACL) string {
	if len(list.AuthorizedUsers) == 0 {
		return "nobody"
	}
	return commaList(list.AuthorizedUsers)
}

// aclOf returns what the ACL is of, and how it is called.
func aclOf(r *remote) (client.Resource, string, error) {
	topic, subscription := r.c.String("topic"), r.c.String("subscription")
	if (topic == "") == (subscription == "") {
		return client.Resource{}, "", cmdutil.UsageError("--topic T, or --subscription S", "the ACL of what?")
	}
	if topic != "" {
		return client.TopicOf(r.project, topic), "may publish to topic " + topic, checkName("topic", topic)
	}
	return client.SubscriptionOf(r.project, subscription), "may consume subscription " + subscription, checkName("subscription", subscription)
}
