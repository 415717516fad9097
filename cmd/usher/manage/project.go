package manage

import (
	"context"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/remote"
)

// ProjectCommand returns "usher project".
func ProjectCommand() *cli.Command {
	resource := &remote.Resource[wire.Project, wire.ProjectList]{
		Noun: "project", Args: "NAME", Columns: projectColumns(),
		List:  func(ctx context.Context, r *remote.Session) (*wire.ProjectList, error) { return r.API.Projects(ctx) },
		Items: func(l *wire.ProjectList) []wire.Project { return l.Projects },
		Get: func(ctx context.Context, r *remote.Session) (*wire.Project, client.ETag, error) {
			return r.API.Project(ctx, r.Arg(0))
		},
	}
	return remote.Group("project", "manage projects", append(resource.Commands(),
		remote.Command{
			Name: "add", Usage: "create a project", Args: "NAME", Description: projectAddHelp,
			Flags:    append(remote.TextFlags(projectTexts()), accountFlags()...),
			RunLocal: addWithoutAPI, Run: addProject,
		},
		remote.SetCommand(resource, remote.Command{Usage: "change the given fields of a project", Flags: projectChanges()},
			func(c *cli.Context) (*wire.ProjectInput, error) {
				in := projectInput(c)
				var err error
				in.Name, err = remote.RenameOption(c)
				return in, err
			},
			func(ctx context.Context, r *remote.Session, in *wire.ProjectInput, ifMatch client.ETag) (*wire.Project, error) {
				return r.API.UpdateProject(ctx, r.Arg(0), in, ifMatch)
			},
			func(_ *remote.Session, p *wire.Project) string { return "changed project " + p.Name }),
		remote.RemoveCommand(remote.Command{
			Usage: "remove a project with its topics, subscriptions and memberships", Args: "NAME", Description: projectRmHelp,
			Flags: append([]cli.Flag{purgeFlag()}, accountFlags()...), RunLocal: removeWithoutAPI,
		}, func(r *remote.Session) string { return "project " + r.Arg(0) }, removeProject, describeProject),
	)...)
}

func projectColumns() []remote.Column[wire.Project] {
	return []remote.Column[wire.Project]{
		{Name: "name", Value: func(p *wire.Project) string { return p.Name }},
		{Name: "account", Value: func(p *wire.Project) string { return p.Account }},
		{Name: "description", Value: func(p *wire.Project) string { return p.Description }},
		{Name: "created", Value: func(p *wire.Project) string { return remote.FormatTime(p.CreatedOn) }},
		{Name: "created by", DetailOnly: true, Value: func(p *wire.Project) string { return p.CreatedBy }},
		{Name: "modified", DetailOnly: true, Value: func(p *wire.Project) string { return remote.FormatTime(p.ModifiedOn) }},
	}
}

func projectTexts() []remote.TextOption[wire.ProjectInput] {
	return []remote.TextOption[wire.ProjectInput]{
		{Name: "account", Usage: "existing NATS `ACCOUNT` for the project, which other projects may share", DefaultText: "an account of its own, where usher can create one", Field: func(in *wire.ProjectInput) **string { return &in.Account }},
		{Name: "description", Usage: "description, any `TEXT`", Field: func(in *wire.ProjectInput) **string { return &in.Description }},
	}
}

func projectChanges() []cli.Flag {
	return append([]cli.Flag{&cli.StringFlag{Name: "name", Usage: "new `NAME`; subjects that start with the old name change with it"}},
		remote.TextFlags(projectTexts())...)
}

func projectInput(c *cli.Context) *wire.ProjectInput {
	in := &wire.ProjectInput{}
	remote.SetTextFields(c, in, projectTexts())
	return in
}
