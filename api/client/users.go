package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

// Users returns all users, or the members of a project if that is not empty.
func (c *Client) Users(ctx context.Context, project string) (*wire.UserList, error) {
	return c.users(ctx, pathTo("users"), query("project", project))
}

// users returns all pages of a list of users.
func (c *Client) users(ctx context.Context, path apiPath, opts ...option) (*wire.UserList, error) {
	all, err := fetchPages(ctx, c, path, func(p *wire.UserList) ([]wire.User, string) { return p.Users, p.NextPageToken }, opts...)
	if err != nil {
		return nil, err
	}
	return &wire.UserList{Users: all, TotalSize: len(all)}, nil
}

// Profile returns the user that the key belongs to.
func (c *Client) Profile(ctx context.Context) (*wire.User, error) {
	u, _, err := fetch[wire.User](ctx, c, http.MethodGet, pathTo("users/profile"))
	return u, err
}

// User returns one user.
func (c *Client) User(ctx context.Context, name string) (*wire.User, ETag, error) {
	return fetch[wire.User](ctx, c, http.MethodGet, userPath(name))
}

// UserByUUID returns one user by its id, which does not change when the user is renamed.
func (c *Client) UserByUUID(ctx context.Context, id string) (*wire.User, ETag, error) {
	return fetch[wire.User](ctx, c, http.MethodGet, pathTo("users:byUUID").name(id))
}

// CreateUser creates a user. Only this response contains its key.
func (c *Client) CreateUser(ctx context.Context, name string, in *wire.UserInput) (*wire.UserCreated, error) {
	u, _, err := fetch[wire.UserCreated](ctx, c, http.MethodPost, userPath(name), body(in))
	return u, err
}

// UpdateUser changes the fields that in sets.
func (c *Client) UpdateUser(ctx context.Context, name string, in *wire.UserInput, etag ETag) (*wire.User, error) {
	u, _, err := fetch[wire.User](ctx, c, http.MethodPut, userPath(name), body(in), ifMatch(etag))
	return u, err
}

// DeleteUser removes a user with its keys, its memberships and its entries in ACLs.
func (c *Client) DeleteUser(ctx context.Context, name string, etag ETag) error {
	return c.do(ctx, http.MethodDelete, userPath(name), ifMatch(etag))
}

// Permissions returns what a user would get on connecting to NATS, as "usher explain
// --json" prints it. project is the project that the client asks for; it may be empty.
func (c *Client) Permissions(ctx context.Context, name, project string) (wire.Permissions, error) {
	p, _, err := fetch[wire.Permissions](ctx, c, http.MethodGet, userPath(name).append(":permissions"), query("project", project))
	if err != nil {
		return nil, err
	}
	return *p, nil
}
