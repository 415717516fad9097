package manage

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
)

func SubscriptionCommand() *cli.Command {
	reads := &reader[wire.Subscription, wire.SubscriptionList]{
		thing: "subscription", args: "NAME", inside: true,
		flags: []cli.Flag{&cli.StringFlag{Name: "topic", Usage: "only those that read topic `T`"}},
		columns: []column[wire.Subscription]{
			{name: "name", cell: func(s *wire.Subscription) string { return lastName(s.Name) }},
			{name: "topic", cell: func(s *wire.Subscription) string { return lastName(s.Topic) }},
			{name: "ack deadline", cell: func(s *wire.Subscription) string { return fmt.Sprintf("%ds", s.AckDeadlineSeconds) }},
			{name: "pushed to", cell: func(s *wire.Subscription) string { return s.PushConfig.PushEndpoint }},
			{name: "created", cell: func(s *wire.Subscription) string { return timeText(s.CreatedOn) }},
		},
		list: func(ctx context.Context, r *remote) (*wire.SubscriptionList, error) {
			l, err := r.api.Subscriptions(ctx, r.project)
			if topic := r.c.String("topic"); err == nil && topic != "" {
				l.Subscriptions = slices.DeleteFunc(l.Subscriptions, func(s wire.Subscription) bool { return lastName(s.Topic) != topic })
				l.TotalSize = len(l.Subscriptions)
			}
			return l, err
		},
		rows: func(l *wire.SubscriptionList) []wire.Subscription { return l.Subscriptions },
		show: func(ctx context.Context, r *remote) (*wire.Subscription, client.ETag, error) {
			return r.api.Subscription(ctx, r.project, r.arg(0))
		},
	}
	c := nounCommand("subscription", "manage the subscriptions of a project", append(reads.verbs(),
		verb{
			name: "add", usage: "make a subscription that nobody may consume yet", args: "NAME", inside: true, needs: []string{"topic"},
			flags: []cli.Flag{
				&cli.StringFlag{Name: "topic", Usage: "the topic `T` that it reads, of the same project"},
				&cli.IntFlag{Name: "ack-deadline", Usage: "`SECONDS` until a message that was not acknowledged comes again", Value: wire.DefaultAckDeadline},
			},
			do: subscriptionAdd,
		},
		rmVerb(verb{usage: "remove a subscription", args: "NAME", inside: true},
			func(r *remote) string { return "subscription " + r.arg(0) + " of project " + r.project },
			func(ctx context.Context, r *remote) error {
				return r.api.DeleteSubscription(ctx, r.project, r.arg(0), "")
			},
			nil),
	)...)
	c.Aliases = []string{"sub"}
	return c
}

func subscriptionAdd(ctx context.Context, r *remote) error {
	topic, deadline := r.c.String("topic"), r.c.Int("ack-deadline")
	if err := checkName("topic", topic); err != nil {
		return err
	}
	if deadline <= 0 {
		return cmdutil.UsageError("", "--ack-deadline %d: expected one second or more", deadline)
	}
	s, err := r.api.CreateSubscription(ctx, r.project, r.arg(0), &wire.SubscriptionInput{
		Topic: "projects/" + r.project + "/topics/" + topic, AckDeadlineSeconds: deadline,
	})
	if err != nil {
		return err
	}
	return r.done(s, "made subscription %s to topic %s", lastName(s.Name), lastName(s.Topic))
}
