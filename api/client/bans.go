package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

func bansPath() apiPath { return pathTo("bans") }

func banPath(id string) apiPath { return bansPath().name(id) }

// Bans returns all bans, newest first.
func (c *Client) Bans(ctx context.Context) (*wire.BanList, error) {
	all, err := fetchPages(ctx, c, bansPath(), func(p *wire.BanList) ([]wire.Ban, string) { return p.Bans, p.NextPageToken })
	if err != nil {
		return nil, err
	}
	return &wire.BanList{Bans: all, TotalSize: len(all)}, nil
}

// Ban returns a ban.
func (c *Client) Ban(ctx context.Context, id string) (*wire.Ban, ETag, error) {
	return fetch[wire.Ban](ctx, c, http.MethodGet, banPath(id))
}

// CreateBan creates a ban.
func (c *Client) CreateBan(ctx context.Context, in *wire.BanInput) (*wire.Ban, error) {
	b, _, err := fetch[wire.Ban](ctx, c, http.MethodPost, bansPath(), body(in))
	return b, err
}

// LiftBan ends a ban.
func (c *Client) LiftBan(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, banPath(id))
}
