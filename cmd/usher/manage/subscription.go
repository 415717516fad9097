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
)

func SubscriptionCommand() *cli.Command {
	reads := &remote.Reader[wire.Subscription, wire.SubscriptionList]{
		Noun: "subscription", Args: "NAME", InProject: true,
		Flags: []cli.Flag{&cli.StringFlag{Name: "topic", Usage: "only those that read topic `T`"}},
		Columns: []remote.Column[wire.Subscription]{
			{Name: "name", Cell: func(s *wire.Subscription) string { return lastName(s.Name) }},
			{Name: "topic", Cell: func(s *wire.Subscription) string { return lastName(s.Topic) }},
			{Name: "ack deadline", Cell: func(s *wire.Subscription) string { return fmt.Sprintf("%ds", s.AckDeadlineSeconds) }},
			{Name: "pushed to", Cell: func(s *wire.Subscription) string { return s.PushConfig.PushEndpoint }},
			{Name: "created", Cell: func(s *wire.Subscription) string { return remote.TimeText(s.CreatedOn) }},
		},
		List: func(ctx context.Context, r *remote.Remote) (*wire.SubscriptionList, error) {
			l, err := r.API.Subscriptions(ctx, r.Project)
			if topic := r.CLI.String("topic"); err == nil && topic != "" {
				l.Subscriptions = slices.DeleteFunc(l.Subscriptions, func(s wire.Subscription) bool { return lastName(s.Topic) != topic })
				l.TotalSize = len(l.Subscriptions)
			}
			return l, err
		},
		Rows: func(l *wire.SubscriptionList) []wire.Subscription { return l.Subscriptions },
		Show: func(ctx context.Context, r *remote.Remote) (*wire.Subscription, client.ETag, error) {
			return r.API.Subscription(ctx, r.Project, r.Arg(0))
		},
	}
	c := remote.Group("subscription", "manage the subscriptions of a project", append(reads.Commands(),
		remote.Command{
			Name: "add", Usage: "make a subscription that nobody may consume yet", Args: "NAME", InProject: true, Required: []string{"topic"},
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "topic", Usage: "the topic `T` that it reads, of the same project"},
				&cli.IntFlag{Name: "ack-deadline", Usage: "`SECONDS` until a message that was not acknowledged comes again", Value: wire.DefaultAckDeadline},
			},
			Run: subscriptionAdd,
		},
		remote.RemoveCommand(remote.Command{Usage: "remove a subscription", Args: "NAME", InProject: true},
			func(r *remote.Remote) string { return "subscription " + r.Arg(0) + " of project " + r.Project },
			func(ctx context.Context, r *remote.Remote) error {
				return r.API.DeleteSubscription(ctx, r.Project, r.Arg(0), "")
			},
			nil),
	)...)
	c.Aliases = []string{"sub"}
	return c
}

func subscriptionAdd(ctx context.Context, r *remote.Remote) error {
	topic, deadline := r.CLI.String("topic"), r.CLI.Int("ack-deadline")
	if err := remote.CheckName("topic", topic); err != nil {
		return err
	}
	if deadline <= 0 {
		return cmdutil.UsageError("", "--ack-deadline %d: expected one second or more", deadline)
	}
	s, err := r.API.CreateSubscription(ctx, r.Project, r.Arg(0), &wire.SubscriptionInput{
		Topic: "projects/" + r.Project + "/topics/" + topic, AckDeadlineSeconds: deadline,
	})
	if err != nil {
		return err
	}
	return r.Done(s, "made subscription %s to topic %s", lastName(s.Name), lastName(s.Topic))
}
