package manage

import (
	"context"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/remote"
)

func ProjectCommand() *cli.Command {
	reads := &remote.Reader[wire.Project, wire.ProjectList]{
		Noun: "project", Args: "NAME", Columns: projectColumns(),
		List: func(ctx context.Context, r *remote.Remote) (*wire.ProjectList, error) { return r.API.Projects(ctx) },
		Rows: func(l *wire.ProjectList) []wire.Project { return l.Projects },
		Show: func(ctx context.Context, r *remote.Remote) (*wire.Project, client.ETag, error) {
			return r.API.Project(ctx, r.Arg(0))
		},
	}
	return remote.Group("project", "manage projects", append(reads.Commands(),
		remote.Command{
			Name: "add", Usage: "make a project", Args: "NAME", Details: projectAddHelp,
			Flags: append(remote.TextFlags(projectTexts()), accountFlags()...),
			Local: addWithoutAPI, Run: addProject,
		},
		remote.SetCommand(reads, remote.Command{Usage: "change what is given of a project", Flags: projectChanges()},
			func(c *cli.Context) (*wire.ProjectInput, error) {
				in := projectInput(c)
				var err error
				in.Name, err = remote.NewName(c)
				return in, err
			},
			func(ctx context.Context, r *remote.Remote, in *wire.ProjectInput, unchanged client.ETag) (*wire.Project, error) {
				return r.API.UpdateProject(ctx, r.Arg(0), in, unchanged)
			},
			func(_ *remote.Remote, p *wire.Project) string { return "changed project " + p.Name }),
		remote.RemoveCommand(remote.Command{
			Usage: "remove a project with its topics, subscriptions and memberships", Args: "NAME", Details: projectRmHelp,
			Flags: append([]cli.Flag{purgeFlag()}, accountFlags()...), Local: removeWithoutAPI,
		}, func(r *remote.Remote) string { return "project " + r.Arg(0) }, removeProject, projectLost),
	)...)
}

func projectColumns() []remote.Column[wire.Project] {
	return []remote.Column[wire.Project]{
		{Name: "name", Cell: func(p *wire.Project) string { return p.Name }},
		{Name: "account", Cell: func(p *wire.Project) string { return p.Account }},
		{Name: "description", Cell: func(p *wire.Project) string { return p.Description }},
		{Name: "created", Cell: func(p *wire.Project) string { return remote.TimeText(p.CreatedOn) }},
		{Name: "created by", Details: true, Cell: func(p *wire.Project) string { return p.CreatedBy }},
		{Name: "modified", Details: true, Cell: func(p *wire.Project) string { return remote.TimeText(p.ModifiedOn) }},
	}
}

func projectTexts() []remote.TextOption[wire.ProjectInput] {
	return []remote.TextOption[wire.ProjectInput]{
		{Name: "account", Usage: "the NATS `ACCOUNT` that its subjects are in, where other projects may be too; default: one of its own, where accounts can be made", Field: func(in *wire.ProjectInput) **string { return &in.Account }},
		{Name: "description", Usage: "description: any `TEXT`", Field: func(in *wire.ProjectInput) **string { return &in.Description }},
	}
}

func projectChanges() []cli.Flag {
	return append([]cli.Flag{&cli.StringFlag{Name: "name", Usage: "its new `NAME`; subjects that begin with the old one change along"}},
		remote.TextFlags(projectTexts())...)
}

func projectInput(c *cli.Context) *wire.ProjectInput {
	in := &wire.ProjectInput{}
	remote.Fill(c, in, projectTexts())
	return in
}
