package manage

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/remote"
)

func TopicCommand() *cli.Command {
	reads := &remote.Reader[wire.Topic, wire.TopicList]{
		Noun: "topic", Args: "NAME", InProject: true,
		Columns: []remote.Column[wire.Topic]{
			{Name: "name", Cell: func(t *wire.Topic) string { return lastName(t.Name) }},
			{Name: "subject", Cell: func(t *wire.Topic) string { return t.Subject }},
			{Name: "created", Cell: func(t *wire.Topic) string { return remote.TimeText(t.CreatedOn) }},
		},
		List: func(ctx context.Context, r *remote.Remote) (*wire.TopicList, error) {
			return r.API.Topics(ctx, r.Project)
		},
		Rows: func(l *wire.TopicList) []wire.Topic { return l.Topics },
		Show: func(ctx context.Context, r *remote.Remote) (*wire.Topic, client.ETag, error) {
			return r.API.Topic(ctx, r.Project, r.Arg(0))
		},
	}
	return remote.Group("topic", "manage the topics of a project", append(reads.Commands(),
		remote.Command{
			Name: "add", Usage: "make a topic that nobody may publish to yet", Args: "NAME", InProject: true,
			Flags: []cli.Flag{&cli.StringFlag{Name: "subject", Usage: "the `SUBJECT` that it stands for; default: P.NAME"}},
			Run: func(ctx context.Context, r *remote.Remote) error {
				t, err := r.API.CreateTopic(ctx, r.Project, r.Arg(0), &wire.TopicInput{Subject: r.CLI.String("subject")})
				if err != nil {
					return err
				}
				return r.Done(t, "made topic %s, subject %s", lastName(t.Name), t.Subject)
			},
		},
		remote.RemoveCommand(remote.Command{Usage: "remove a topic that no subscription reads", Args: "NAME", InProject: true, ConflictHint: "usher subscription list --topic NAME lists what reads it"},
			func(r *remote.Remote) string { return "topic " + r.Arg(0) + " of project " + r.Project },
			func(ctx context.Context, r *remote.Remote) error {
				return r.API.DeleteTopic(ctx, r.Project, r.Arg(0), "")
			},
			nil),
	)...)
}

// lastName returns T of "/projects/P/topics/T".
func lastName(full string) string { return full[strings.LastIndexByte(full, '/')+1:] }
