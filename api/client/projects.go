package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

func project(name string) place { return path("projects").name(name) }

func member(in, name string) place { return project(in).to("/members").name(name) }

// Projects returns all projects.
func (c *Client) Projects(ctx context.Context) (*wire.ProjectList, error) {
	all, err := pages(ctx, c, path("projects"), func(p *wire.ProjectList) ([]wire.Project, string) { return p.Projects, p.NextPageToken })
	if err != nil {
		return nil, err
	}
	return &wire.ProjectList{Projects: all, TotalSize: len(all)}, nil
}

// Project returns one project.
func (c *Client) Project(ctx context.Context, name string) (*wire.Project, Tag, error) {
	return fetch[wire.Project](ctx, c, http.MethodGet, project(name))
}

// CreateProject makes a project.
func (c *Client) CreateProject(ctx context.Context, name string, in *wire.ProjectInput) (*wire.Project, error) {
	p, _, err := fetch[wire.Project](ctx, c, http.MethodPost, project(name), body(in))
	return p, err
}

// UpdateProject changes what in states.
func (c *Client) UpdateProject(ctx context.Context, name string, in *wire.ProjectInput, unchanged Tag) (*wire.Project, error) {
	p, _, err := fetch[wire.Project](ctx, c, http.MethodPut, project(name), body(in), ifMatch(unchanged))
	return p, err
}

// PurgeProject is DeleteProject of a project with an account of its own, and deletes
// the streams in it too.
func (c *Client) PurgeProject(ctx context.Context, name string) error {
	return c.tell(ctx, http.MethodDelete, project(name), query("purge", "true"))
}

// DeleteProject removes a project with its topics, subscriptions and memberships.
func (c *Client) DeleteProject(ctx context.Context, name string, unchanged Tag) error {
	return c.tell(ctx, http.MethodDelete, project(name), ifMatch(unchanged))
}

// Members returns the members of a project.
func (c *Client) Members(ctx context.Context, in string) (*wire.UserList, error) {
	return c.users(ctx, project(in).to("/members"))
}

// Member returns one member, as far as its project goes.
func (c *Client) Member(ctx context.Context, in, name string) (*wire.User, Tag, error) {
	return fetch[wire.User](ctx, c, http.MethodGet, member(in, name))
}

// AddMember makes a user that exists a member.
func (c *Client) AddMember(ctx context.Context, in, name string, roles []string) (*wire.User, error) {
	u, _, err := fetch[wire.User](ctx, c, http.MethodPost, member(in, name).to(":add"),
		body(&wire.ProjectRoles{Project: in, Roles: roles}))
	return u, err
}

// CreateMember makes a user that is a member. The answer holds its key, this once.
func (c *Client) CreateMember(ctx context.Context, in, name string, roles []string) (*wire.UserCreated, error) {
	u, _, err := fetch[wire.UserCreated](ctx, c, http.MethodPost, member(in, name), rolesIn(in, roles))
	return u, err
}

// UpdateMember replaces the roles that a member has in the project.
func (c *Client) UpdateMember(ctx context.Context, in, name string, roles []string, unchanged Tag) (*wire.User, error) {
	u, _, err := fetch[wire.User](ctx, c, http.MethodPut, member(in, name), rolesIn(in, roles), ifMatch(unchanged))
	return u, err
}

func rolesIn(project string, roles []string) option {
	return body(&wire.UserInput{Projects: []wire.ProjectRoles{{Project: project, Roles: roles}}})
}

// RemoveMember takes a member out of the project and its ACLs.
func (c *Client) RemoveMember(ctx context.Context, in, name string, unchanged Tag) error {
	return c.tell(ctx, http.MethodPost, member(in, name).to(":remove"), ifMatch(unchanged))
}
