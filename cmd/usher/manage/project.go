package manage

import (
	"context"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
)

func ProjectCommand() *cli.Command {
	reads := &reader[wire.Project, wire.ProjectList]{
		thing: "project", args: "NAME", columns: projectColumns(),
		list: func(ctx context.Context, r *remote) (*wire.ProjectList, error) { return r.api.Projects(ctx) },
		rows: func(l *wire.ProjectList) []wire.Project { return l.Projects },
		show: func(ctx context.Context, r *remote) (*wire.Project, client.ETag, error) {
			return r.api.Project(ctx, r.arg(0))
		},
	}
	return nounCommand("project", "manage projects", append(reads.verbs(),
		verb{
			name: "add", usage: "make a project", args: "NAME", more: projectAddHelp,
			flags: append(textFlags(projectTexts()), accountFlags()...),
			local: addWithoutAPI, do: addProject,
		},
		setVerb(reads, verb{usage: "change what is given of a project", flags: projectChanges()},
			func(c *cli.Context) (*wire.ProjectInput, error) {
				in := projectInput(c)
				var err error
				in.Name, err = newName(c)
				return in, err
			},
			func(ctx context.Context, r *remote, in *wire.ProjectInput, unchanged client.ETag) (*wire.Project, error) {
				return r.api.UpdateProject(ctx, r.arg(0), in, unchanged)
			},
			func(_ *remote, p *wire.Project) string { return "changed project " + p.Name }),
		rmVerb(verb{
			usage: "remove a project with its topics, subscriptions and memberships", args: "NAME", more: projectRmHelp,
			flags: append([]cli.Flag{purgeFlag()}, accountFlags()...), local: removeWithoutAPI,
		}, func(r *remote) string { return "project " + r.arg(0) }, removeProject, projectLost),
	)...)
}

func projectColumns() []column[wire.Project] {
	return []column[wire.Project]{
		{name: "name", cell: func(p *wire.Project) string { return p.Name }},
		{name: "account", cell: func(p *wire.Project) string { return p.Account }},
		{name: "description", cell: func(p *wire.Project) string { return p.Description }},
		{name: "created", cell: func(p *wire.Project) string { return timeText(p.CreatedOn) }},
		{name: "created by", more: true, cell: func(p *wire.Project) string { return p.CreatedBy }},
		{name: "modified", more: true, cell: func(p *wire.Project) string { return timeText(p.ModifiedOn) }},
	}
}

func projectTexts() []textOption[wire.ProjectInput] {
	return []textOption[wire.ProjectInput]{
		{"account", "the NATS `ACCOUNT` that its subjects are in, where other projects may be too; default: one of its own, where accounts can be made", func(in *wire.ProjectInput) **string { return &in.Account }},
		{"description", "description: any `TEXT`", func(in *wire.ProjectInput) **string { return &in.Description }},
	}
}

func projectChanges() []cli.Flag {
	return append([]cli.Flag{&cli.StringFlag{Name: "name", Usage: "its new `NAME`; subjects that begin with the old one change along"}},
		textFlags(projectTexts())...)
}

func projectInput(c *cli.Context) *wire.ProjectInput {
	in := &wire.ProjectInput{}
	fill(c, in, projectTexts())
	return in
}
