package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

// Subscriptions returns the subscriptions of a project that the key may see.
func (c *Client) Subscriptions(ctx context.Context, project string) (*wire.SubscriptionList, error) {
	all, err := fetchPages(ctx, c, projectPath(project).append("/subscriptions"), func(p *wire.SubscriptionList) ([]wire.Subscription, string) { return p.Subscriptions, p.NextPageToken })
	if err != nil {
		return nil, err
	}
	return &wire.SubscriptionList{Subscriptions: all, TotalSize: len(all)}, nil
}

// Subscription returns one subscription.
func (c *Client) Subscription(ctx context.Context, project, name string) (*wire.Subscription, ETag, error) {
	return fetch[wire.Subscription](ctx, c, http.MethodGet, subscriptionPath(project, name))
}

// CreateSubscription creates a subscription to a topic of the same project, with an empty ACL.
func (c *Client) CreateSubscription(ctx context.Context, project, name string, in *wire.SubscriptionInput) (*wire.Subscription, error) {
	s, _, err := fetch[wire.Subscription](ctx, c, http.MethodPut, subscriptionPath(project, name), body(in))
	return s, err
}

// DeleteSubscription removes a subscription.
func (c *Client) DeleteSubscription(ctx context.Context, project, name string, etag ETag) error {
	return c.do(ctx, http.MethodDelete, subscriptionPath(project, name), ifMatch(etag))
}

// PurgeSubscription removes a subscription with the messages that nobody has acknowledged.
func (c *Client) PurgeSubscription(ctx context.Context, project, name string) error {
	return c.do(ctx, http.MethodDelete, subscriptionPath(project, name), query("purge", "true"))
}
