package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

// ModifyPushConfig replaces the push configuration of a subscription. An empty one ends pushes.
func (c *Client) ModifyPushConfig(ctx context.Context, project, subscription string, in *wire.PushConfig, etag ETag) error {
	return c.do(ctx, http.MethodPost, subscriptionPath(project, subscription).append(":modifyPushConfig"), body(&wire.ModifyPushConfig{PushConfig: in}), ifMatch(etag))
}

// VerifyPushEndpoint lets usher ask the endpoint of a subscription for its verification hash.
func (c *Client) VerifyPushEndpoint(ctx context.Context, project, subscription string) error {
	return c.do(ctx, http.MethodPost, subscriptionPath(project, subscription).append(":verifyPushEndpoint"))
}

// RotatePushHeader gives the pushes of a subscription another authorization header.
func (c *Client) RotatePushHeader(ctx context.Context, project, subscription string) (*wire.Subscription, error) {
	s, _, err := fetch[wire.Subscription](ctx, c, http.MethodPost, subscriptionPath(project, subscription).append(":rotatePushHeader"))
	return s, err
}

// PushWorkers lists the processes that push.
func (c *Client) PushWorkers(ctx context.Context) (*wire.PushWorkers, error) {
	w, _, err := fetch[wire.PushWorkers](ctx, c, http.MethodGet, pathTo("push-workers"))
	return w, err
}
