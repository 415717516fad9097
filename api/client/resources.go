package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

func topic(in, name string) place { return project(in).to("/topics").name(name) }

func subscription(in, name string) place { return project(in).to("/subscriptions").name(name) }

// Topics returns the topics of a project that the key may see.
func (c *Client) Topics(ctx context.Context, in string) (*wire.TopicList, error) {
	all, err := pages(ctx, c, project(in).to("/topics"), func(p *wire.TopicList) ([]wire.Topic, string) { return p.Topics, p.NextPageToken })
	if err != nil {
		return nil, err
	}
	return &wire.TopicList{Topics: all, TotalSize: len(all)}, nil
}

// Topic returns one topic.
func (c *Client) Topic(ctx context.Context, in, name string) (*wire.Topic, Tag, error) {
	return fetch[wire.Topic](ctx, c, http.MethodGet, topic(in, name))
}

// CreateTopic makes a topic with an empty ACL.
func (c *Client) CreateTopic(ctx context.Context, in, name string, with *wire.TopicInput) (*wire.Topic, error) {
	t, _, err := fetch[wire.Topic](ctx, c, http.MethodPut, topic(in, name), body(with))
	return t, err
}

// DeleteTopic removes a topic that no subscription reads.
func (c *Client) DeleteTopic(ctx context.Context, in, name string, unchanged Tag) error {
	return c.tell(ctx, http.MethodDelete, topic(in, name), ifMatch(unchanged))
}

// TopicSubscriptions returns the subscriptions that read a topic.
func (c *Client) TopicSubscriptions(ctx context.Context, in, name string) (*wire.SubscriptionNames, error) {
	s, _, err := fetch[wire.SubscriptionNames](ctx, c, http.MethodGet, topic(in, name).to("/subscriptions"))
	return s, err
}

// Subscriptions returns the subscriptions of a project that the key may see.
func (c *Client) Subscriptions(ctx context.Context, in string) (*wire.SubscriptionList, error) {
	all, err := pages(ctx, c, project(in).to("/subscriptions"), func(p *wire.SubscriptionList) ([]wire.Subscription, string) { return p.Subscriptions, p.NextPageToken })
	if err != nil {
		return nil, err
	}
	return &wire.SubscriptionList{Subscriptions: all, TotalSize: len(all)}, nil
}

// Subscription returns one subscription.
func (c *Client) Subscription(ctx context.Context, in, name string) (*wire.Subscription, Tag, error) {
	return fetch[wire.Subscription](ctx, c, http.MethodGet, subscription(in, name))
}

// CreateSubscription makes a subscription to a topic of the same project, with an empty ACL.
func (c *Client) CreateSubscription(ctx context.Context, in, name string, with *wire.SubscriptionInput) (*wire.Subscription, error) {
	s, _, err := fetch[wire.Subscription](ctx, c, http.MethodPut, subscription(in, name), body(with))
	return s, err
}

// DeleteSubscription removes a subscription.
func (c *Client) DeleteSubscription(ctx context.Context, in, name string, unchanged Tag) error {
	return c.tell(ctx, http.MethodDelete, subscription(in, name), ifMatch(unchanged))
}
