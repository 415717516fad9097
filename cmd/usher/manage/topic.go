package manage

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/manage/messages"
	"usher/cmd/usher/remote"
)

// TopicCommand returns "usher topic".
func TopicCommand() *cli.Command {
	columns := []remote.Column[wire.Topic]{
		{Name: "name", Value: func(t *wire.Topic) string { return lastName(t.Name) }},
		{Name: "subject", Value: func(t *wire.Topic) string { return t.Subject }},
		{Name: "created", Value: func(t *wire.Topic) string { return remote.FormatTime(t.CreatedOn) }},
	}
	resource := &remote.Resource[wire.Topic, wire.TopicList]{
		Noun: "topic", Args: "NAME", NeedsProject: true, Columns: columns,
		ShowUsage: "show one topic, and the messages that it holds", Show: messages.ShowTopic(columns),
		List: func(ctx context.Context, r *remote.Session) (*wire.TopicList, error) {
			return r.API.Topics(ctx, r.Project)
		},
		Items: func(l *wire.TopicList) []wire.Topic { return l.Topics },
		Get: func(ctx context.Context, r *remote.Session) (*wire.Topic, client.ETag, error) {
			return r.API.Topic(ctx, r.Project, r.Arg(0))
		},
	}
	return remote.Group("topic", "manage the topics of a project", append(resource.Commands(),
		remote.Command{
			Name: "add", Usage: "create a topic with an empty ACL", Args: "NAME", NeedsProject: true,
			Flags: []cli.Flag{&cli.StringFlag{Name: "subject", Usage: "NATS `SUBJECT` of the topic", DefaultText: "P.NAME"}},
			Run: func(ctx context.Context, r *remote.Session) error {
				t, err := r.API.CreateTopic(ctx, r.Project, r.Arg(0), &wire.TopicInput{Subject: r.CLI.String("subject")})
				if err != nil {
					return err
				}
				return r.PrintDone(t, "created topic %s with subject %s", lastName(t.Name), t.Subject)
			},
		},
		remote.RemoveCommand(remote.Command{Usage: "remove a topic without subscriptions", Args: "NAME", NeedsProject: true, Flags: []cli.Flag{messagesFlag()}, ConflictHint: "list its subscriptions with usher subscription list --topic NAME"},
			func(r *remote.Session) string { return "topic " + r.Arg(0) + " of project " + r.Project },
			func(ctx context.Context, r *remote.Session) error {
				if r.CLI.Bool("purge") {
					return r.API.PurgeTopic(ctx, r.Project, r.Arg(0))
				}
				return r.API.DeleteTopic(ctx, r.Project, r.Arg(0), "")
			},
			nil),
	)...)
}

func messagesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "purge", Usage: "also if messages are lost (projects.streams: managed)"}
}

// lastName returns T of "/projects/P/topics/T".
func lastName(full string) string { return full[strings.LastIndexByte(full, '/')+1:] }
