package manage

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/manage/messages"
	"usher/cmd/usher/remote"
)

// SubscriptionCommand returns "usher subscription".
func SubscriptionCommand() *cli.Command {
	columns := []remote.Column[wire.Subscription]{
		{Name: "name", Value: func(s *wire.Subscription) string { return lastName(s.Name) }},
		{Name: "topic", Value: func(s *wire.Subscription) string { return lastName(s.Topic) }},
		{Name: "ack deadline", Value: func(s *wire.Subscription) string { return fmt.Sprintf("%ds", s.AckDeadlineSeconds) }},
		{Name: "created", Value: func(s *wire.Subscription) string { return remote.FormatTime(s.CreatedOn) }},
	}
	resource := &remote.Resource[wire.Subscription, wire.SubscriptionList]{
		Noun: "subscription", Args: "NAME", NeedsProject: true,
		Flags: []cli.Flag{&cli.StringFlag{Name: "topic", Usage: "only subscriptions to topic `T`"}},
		Columns: slices.Insert(slices.Clone(columns), len(columns)-1, remote.Column[wire.Subscription]{
			Name: "pushed to", Value: func(s *wire.Subscription) string {
				return cmp.Or(s.PushConfig.PushEndpoint, s.PushConfig.MattermostURL)
			},
		}),
		ShowUsage: "show one subscription, how far it has come, and how its pushes go", Show: messages.ShowSubscription(columns),
		List: func(ctx context.Context, r *remote.Session) (*wire.SubscriptionList, error) {
			l, err := r.API.Subscriptions(ctx, r.Project)
			if topic := r.CLI.String("topic"); err == nil && topic != "" {
				l.Subscriptions = slices.DeleteFunc(l.Subscriptions, func(s wire.Subscription) bool { return lastName(s.Topic) != topic })
				l.TotalSize = len(l.Subscriptions)
			}
			if err == nil {
				for i := range l.Subscriptions {
					messages.HideSecrets(&l.Subscriptions[i])
				}
			}
			return l, err
		},
		Items: func(l *wire.SubscriptionList) []wire.Subscription { return l.Subscriptions },
		Get: func(ctx context.Context, r *remote.Session) (*wire.Subscription, client.ETag, error) {
			return r.API.Subscription(ctx, r.Project, r.Arg(0))
		},
	}
	c := remote.Group("subscription", "manage the subscriptions of a project", append(resource.Commands(),
		remote.Command{
			Name: "add", Usage: "create a subscription with an empty ACL", Args: "NAME", NeedsProject: true, RequiredFlags: []string{"topic"},
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "topic", Usage: "topic `T` of the same project"},
				&cli.IntFlag{Name: "ack-deadline", Usage: "`SECONDS` until an unacknowledged message is delivered again", Value: wire.DefaultAckDeadline},
			},
			Run: subscriptionAdd,
		},
		moveCommand(),
		remote.RemoveCommand(remote.Command{Usage: "remove a subscription", Args: "NAME", NeedsProject: true, Flags: []cli.Flag{messagesFlag()}},
			func(r *remote.Session) string { return "subscription " + r.Arg(0) + " of project " + r.Project },
			func(ctx context.Context, r *remote.Session) error {
				if r.CLI.Bool("purge") {
					return r.API.PurgeSubscription(ctx, r.Project, r.Arg(0))
				}
				return r.API.DeleteSubscription(ctx, r.Project, r.Arg(0), "")
			},
			nil),
	)...)
	c.Subcommands = append(c.Subcommands, messages.PushCommand())
	c.Aliases = []string{"sub"}
	return c
}

func subscriptionAdd(ctx context.Context, r *remote.Session) error {
	topic, deadline := r.CLI.String("topic"), r.CLI.Int("ack-deadline")
	if err := remote.CheckName("topic", topic); err != nil {
		return err
	}
	if deadline <= 0 {
		return cmdutil.UsageError("", "--ack-deadline %d: expected 1 second or more", deadline)
	}
	s, err := r.API.CreateSubscription(ctx, r.Project, r.Arg(0), &wire.SubscriptionInput{
		Topic: "projects/" + r.Project + "/topics/" + topic, AckDeadlineSeconds: deadline,
	})
	if err != nil {
		return err
	}
	return r.PrintDone(s, "created subscription %s to topic %s", lastName(s.Name), lastName(s.Topic))
}
