package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

// Members returns the members of a project.
func (c *Client) Members(ctx context.Context, project string) (*wire.UserList, error) {
	return c.users(ctx, projectPath(project).append("/members"))
}

// Member returns one member, without what concerns other projects.
func (c *Client) Member(ctx context.Context, project, name string) (*wire.User, ETag, error) {
	return fetch[wire.User](ctx, c, http.MethodGet, memberPath(project, name))
}

// AddMember makes an existing user a member.
func (c *Client) AddMember(ctx context.Context, project, name string, roles []string) (*wire.User, error) {
	u, _, err := fetch[wire.User](ctx, c, http.MethodPost, memberPath(project, name).append(":add"),
		body(&wire.ProjectRoles{Project: project, Roles: roles}))
	return u, err
}

// CreateMember creates a user that is a member. Only this response contains its key.
func (c *Client) CreateMember(ctx context.Context, project, name string, roles []string) (*wire.UserCreated, error) {
	u, _, err := fetch[wire.UserCreated](ctx, c, http.MethodPost, memberPath(project, name), rolesIn(project, roles))
	return u, err
}

// UpdateMember replaces the roles that a member has in the project.
func (c *Client) UpdateMember(ctx context.Context, project, name string, roles []string, etag ETag) (*wire.User, error) {
	u, _, err := fetch[wire.User](ctx, c, http.MethodPut, memberPath(project, name), rolesIn(project, roles), ifMatch(etag))
	return u, err
}

func rolesIn(project string, roles []string) option {
	return body(&wire.UserInput{Projects: []wire.ProjectRoles{{Project: project, Roles: roles}}})
}

// RemoveMember removes a member from the project and its ACLs.
func (c *Client) RemoveMember(ctx context.Context, project, name string, etag ETag) error {
	return c.do(ctx, http.MethodPost, memberPath(project, name).append(":remove"), ifMatch(etag))
}
