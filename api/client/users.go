package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

func user(name string) place { return path("users").name(name) }

// Users returns all users; project, if not empty, leaves only its members.
func (c *Client) Users(ctx context.Context, project string) (*wire.UserList, error) {
	return c.users(ctx, path("users"), query("project", project))
}

// users returns all pages of a list of users.
func (c *Client) users(ctx context.Context, at place, with ...option) (*wire.UserList, error) {
	all, err := pages(ctx, c, at, func(p *wire.UserList) ([]wire.User, string) { return p.Users, p.NextPageToken }, with...)
	if err != nil {
		return nil, err
	}
	return &wire.UserList{Users: all, TotalSize: len(all)}, nil
}

// Profile returns whom the key belongs to.
func (c *Client) Profile(ctx context.Context) (*wire.User, error) {
	u, _, err := fetch[wire.User](ctx, c, http.MethodGet, path("users/profile"))
	return u, err
}

// User returns one user.
func (c *Client) User(ctx context.Context, name string) (*wire.User, Tag, error) {
	return fetch[wire.User](ctx, c, http.MethodGet, user(name))
}

// UserByUUID returns one user by its id, which stays when the name changes.
func (c *Client) UserByUUID(ctx context.Context, id string) (*wire.User, Tag, error) {
	return fetch[wire.User](ctx, c, http.MethodGet, path("users:byUUID").name(id))
}

// CreateUser makes a user. The answer holds its key, which is shown this once.
func (c *Client) CreateUser(ctx context.Context, name string, in *wire.UserInput) (*wire.UserCreated, error) {
	u, _, err := fetch[wire.UserCreated](ctx, c, http.MethodPost, user(name), body(in))
	return u, err
}

// UpdateUser changes what in states.
func (c *Client) UpdateUser(ctx context.Context, name string, in *wire.UserInput, unchanged Tag) (*wire.User, error) {
	u, _, err := fetch[wire.User](ctx, c, http.MethodPut, user(name), body(in), ifMatch(unchanged))
	return u, err
}

// DeleteUser removes a user with its keys and memberships, and from all ACLs.
func (c *Client) DeleteUser(ctx context.Context, name string, unchanged Tag) error {
	return c.tell(ctx, http.MethodDelete, user(name), ifMatch(unchanged))
}

// Permissions returns what a user would get on connecting to NATS, as "usher
// explain --json" prints it; with a project, as if the client asked for that one.
func (c *Client) Permissions(ctx context.Context, name, project string) (wire.Permissions, error) {
	p, _, err := fetch[wire.Permissions](ctx, c, http.MethodGet, user(name).to(":permissions"), query("project", project))
	if err != nil {
		return nil, err
	}
	return *p, nil
}

// RefreshToken replaces a key of a user. The answer holds the new one, which is
// shown this once.
func (c *Client) RefreshToken(ctx context.Context, name string, in *wire.RefreshToken) (*wire.UserCreated, error) {
	u, _, err := fetch[wire.UserCreated](ctx, c, http.MethodPost, user(name).to(":refreshToken"), body(in))
	return u, err
}

// Keys returns the keys of a user, without the keys themselves.
func (c *Client) Keys(ctx context.Context, name string) (*wire.KeyList, error) {
	all, err := pages(ctx, c, user(name).to("/keys"), func(p *wire.KeyList) ([]wire.Key, string) { return p.Keys, p.NextPageToken })
	if err != nil {
		return nil, err
	}
	return &wire.KeyList{Keys: all, TotalSize: len(all)}, nil
}

// Key returns one key of a user, without the key itself.
func (c *Client) Key(ctx context.Context, name, key string) (*wire.Key, Tag, error) {
	return fetch[wire.Key](ctx, c, http.MethodGet, user(name).to("/keys").name(key))
}

// CreateKey makes another key for a user. The answer holds it, this once.
func (c *Client) CreateKey(ctx context.Context, name string, in *wire.KeyInput) (*wire.KeyCreated, error) {
	k, _, err := fetch[wire.KeyCreated](ctx, c, http.MethodPost, user(name).to("/keys"), body(in))
	return k, err
}

// DeleteKey removes a key: it stops at once.
func (c *Client) DeleteKey(ctx context.Context, name, key string, unchanged Tag) error {
	return c.tell(ctx, http.MethodDelete, user(name).to("/keys").name(key), ifMatch(unchanged))
}
