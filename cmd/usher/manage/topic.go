package manage

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
)

func TopicCommand() *cli.Command {
	reads := &reader[wire.Topic, wire.TopicList]{
		thing: "topic", args: "NAME", inside: true,
		columns: []column[wire.Topic]{
			{name: "name", cell: func(t *wire.Topic) string { return lastName(t.Name) }},
			{name: "subject", cell: func(t *wire.Topic) string { return t.Subject }},
			{name: "created", cell: func(t *wire.Topic) string { return timeText(t.CreatedOn) }},
		},
		list: func(ctx context.Context, r *remote) (*wire.TopicList, error) { return r.api.Topics(ctx, r.project) },
		rows: func(l *wire.TopicList) []wire.Topic { return l.Topics },
		show: func(ctx context.Context, r *remote) (*wire.Topic, client.ETag, error) {
			return r.api.Topic(ctx, r.project, r.arg(0))
		},
	}
	return nounCommand("topic", "manage the topics of a project", append(reads.verbs(),
		verb{
			name: "add", usage: "make a topic that nobody may publish to yet", args: "NAME", inside: true,
			flags: []cli.Flag{&cli.StringFlag{Name: "subject", Usage: "the `SUBJECT` that it stands for; default: P.NAME"}},
			do: func(ctx context.Context, r *remote) error {
				t, err := r.api.CreateTopic(ctx, r.project, r.arg(0), &wire.TopicInput{Subject: r.c.String("subject")})
				if err != nil {
					return err
				}
				return r.done(t, "made topic %s, subject %s", lastName(t.Name), t.Subject)
			},
		},
		rmVerb(verb{usage: "remove a topic that no subscription reads", args: "NAME", inside: true, clash: "usher subscription list --topic NAME lists what reads it"},
			func(r *remote) string { return "topic " + r.arg(0) + " of project " + r.project },
			func(ctx context.Context, r *remote) error { return r.api.DeleteTopic(ctx, r.project, r.arg(0), "") },
			nil),
	)...)
}

// lastName returns T of "/projects/P/topics/T".
func lastName(full string) string { return full[strings.LastIndexByte(full, '/')+1:] }
