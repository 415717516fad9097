package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

// RefreshToken replaces a key of a user. Only this response contains the new key.
func (c *Client) RefreshToken(ctx context.Context, name string, in *wire.RefreshToken) (*wire.UserCreated, error) {
	u, _, err := fetch[wire.UserCreated](ctx, c, http.MethodPost, userPath(name).append(":refreshToken"), body(in))
	return u, err
}

// Keys returns the keys of a user, without the secret keys themselves.
func (c *Client) Keys(ctx context.Context, name string) (*wire.KeyList, error) {
	all, err := fetchPages(ctx, c, userPath(name).append("/keys"), func(p *wire.KeyList) ([]wire.Key, string) { return p.Keys, p.NextPageToken })
	if err != nil {
		return nil, err
	}
	return &wire.KeyList{Keys: all, TotalSize: len(all)}, nil
}

// Key returns one key of a user, without the secret key itself.
func (c *Client) Key(ctx context.Context, name, key string) (*wire.Key, ETag, error) {
	return fetch[wire.Key](ctx, c, http.MethodGet, keyPath(name, key))
}

// CreateKey creates another key for a user. Only this response contains the secret key.
func (c *Client) CreateKey(ctx context.Context, name string, in *wire.KeyInput) (*wire.KeyCreated, error) {
	k, _, err := fetch[wire.KeyCreated](ctx, c, http.MethodPost, userPath(name).append("/keys"), body(in))
	return k, err
}

// DeleteKey removes a key. It is refused from the next connect on.
func (c *Client) DeleteKey(ctx context.Context, name, key string, etag ETag) error {
	return c.do(ctx, http.MethodDelete, keyPath(name, key), ifMatch(etag))
}
