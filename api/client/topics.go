package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

// Topics returns the topics of a project that the key may see.
func (c *Client) Topics(ctx context.Context, project string) (*wire.TopicList, error) {
	all, err := fetchPages(ctx, c, projectPath(project).append("/topics"), func(p *wire.TopicList) ([]wire.Topic, string) { return p.Topics, p.NextPageToken })
	if err != nil {
		return nil, err
	}
	return &wire.TopicList{Topics: all, TotalSize: len(all)}, nil
}

// Topic returns one topic.
func (c *Client) Topic(ctx context.Context, project, name string) (*wire.Topic, ETag, error) {
	return fetch[wire.Topic](ctx, c, http.MethodGet, topicPath(project, name))
}

// CreateTopic creates a topic with an empty ACL.
func (c *Client) CreateTopic(ctx context.Context, project, name string, in *wire.TopicInput) (*wire.Topic, error) {
	t, _, err := fetch[wire.Topic](ctx, c, http.MethodPut, topicPath(project, name), body(in))
	return t, err
}

// DeleteTopic removes a topic. No subscription may read it.
func (c *Client) DeleteTopic(ctx context.Context, project, name string, etag ETag) error {
	return c.do(ctx, http.MethodDelete, topicPath(project, name), ifMatch(etag))
}

// PurgeTopic removes a topic with its messages.
func (c *Client) PurgeTopic(ctx context.Context, project, name string) error {
	return c.do(ctx, http.MethodDelete, topicPath(project, name), query("purge", "true"))
}

// TopicSubscriptions returns the subscriptions that read a topic.
func (c *Client) TopicSubscriptions(ctx context.Context, project, name string) (*wire.SubscriptionNames, error) {
	s, _, err := fetch[wire.SubscriptionNames](ctx, c, http.MethodGet, topicPath(project, name).append("/subscriptions"))
	return s, err
}
