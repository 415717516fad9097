package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

// Projects returns all projects.
func (c *Client) Projects(ctx context.Context) (*wire.ProjectList, error) {
	all, err := fetchPages(ctx, c, pathTo("projects"), func(p *wire.ProjectList) ([]wire.Project, string) { return p.Projects, p.NextPageToken })
	if err != nil {
		return nil, err
	}
	return &wire.ProjectList{Projects: all, TotalSize: len(all)}, nil
}

// Project returns one project.
func (c *Client) Project(ctx context.Context, name string) (*wire.Project, ETag, error) {
	return fetch[wire.Project](ctx, c, http.MethodGet, projectPath(name))
}

// CreateProject creates a project.
func (c *Client) CreateProject(ctx context.Context, name string, in *wire.ProjectInput) (*wire.Project, error) {
	p, _, err := fetch[wire.Project](ctx, c, http.MethodPost, projectPath(name), body(in))
	return p, err
}

// UpdateProject changes the fields that in sets.
func (c *Client) UpdateProject(ctx context.Context, name string, in *wire.ProjectInput, etag ETag) (*wire.Project, error) {
	p, _, err := fetch[wire.Project](ctx, c, http.MethodPut, projectPath(name), body(in), ifMatch(etag))
	return p, err
}

// PurgeProject removes a project with its stream, or if it has an account of its own with all
// streams in that.
func (c *Client) PurgeProject(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, projectPath(name), query("purge", "true"))
}

// DeleteProject removes a project with its topics, subscriptions and memberships.
func (c *Client) DeleteProject(ctx context.Context, name string, etag ETag) error {
	return c.do(ctx, http.MethodDelete, projectPath(name), ifMatch(etag))
}
