package client

import (
	"context"
	"net/http"
	"time"

	"usher/api/wire"
)

// Publish publishes messages to a topic, and returns their ids. idempotencyKey lets the same
// call be made again without storing the messages twice; empty: none.
func (c *Client) Publish(ctx context.Context, project, topic string, in *wire.Publish, idempotencyKey string) (*wire.MessageIDs, error) {
	ids, _, err := fetch[wire.MessageIDs](ctx, c, http.MethodPost, topicPath(project, topic).append(":publish"), body(in), idempotent(idempotencyKey))
	return ids, err
}

// Pull returns messages of a subscription.
func (c *Client) Pull(ctx context.Context, project, subscription string, in *wire.Pull) (*wire.ReceivedMessages, error) {
	received, _, err := fetch[wire.ReceivedMessages](ctx, c, http.MethodPost, subscriptionPath(project, subscription).append(":pull"), body(in))
	return received, err
}

// Acknowledge acknowledges messages of a subscription: all of them, or none.
func (c *Client) Acknowledge(ctx context.Context, project, subscription string, in *wire.Acknowledge) error {
	return c.do(ctx, http.MethodPost, subscriptionPath(project, subscription).append(":acknowledge"), body(in))
}

// ModifyAckDeadline changes the ack deadline of a subscription.
func (c *Client) ModifyAckDeadline(ctx context.Context, project, subscription string, seconds int, etag ETag) error {
	return c.do(ctx, http.MethodPost, subscriptionPath(project, subscription).append(":modifyAckDeadline"), body(&wire.AckDeadline{AckDeadlineSeconds: &seconds}), ifMatch(etag))
}

// Offsets returns where a subscription is in the stream of its project.
func (c *Client) Offsets(ctx context.Context, project, subscription string) (*wire.Offsets, error) {
	o, _, err := fetch[wire.Offsets](ctx, c, http.MethodGet, subscriptionPath(project, subscription).append(":offsets"))
	return o, err
}

// ModifyOffset lets a subscription go on at an offset.
func (c *Client) ModifyOffset(ctx context.Context, project, subscription string, offset int) error {
	return c.do(ctx, http.MethodPost, subscriptionPath(project, subscription).append(":modifyOffset"), body(&wire.OffsetInput{Offset: &offset}))
}

// OffsetAt returns the offset of the first message that was published at a time or later.
func (c *Client) OffsetAt(ctx context.Context, project, subscription string, at time.Time) (int, error) {
	o, _, err := fetch[wire.Offset](ctx, c, http.MethodGet, subscriptionPath(project, subscription).append(":timeToOffset"), query("time", at.UTC().Format(time.RFC3339Nano)))
	if err != nil {
		return 0, err
	}
	return o.Offset, nil
}

// ProjectMetrics counts topics and subscriptions of a project.
func (c *Client) ProjectMetrics(ctx context.Context, project string) (*wire.MetricList, error) {
	return c.metrics(ctx, projectPath(project))
}

// TopicMetrics counts messages of a topic.
func (c *Client) TopicMetrics(ctx context.Context, project, topic string) (*wire.MetricList, error) {
	return c.metrics(ctx, topicPath(project, topic))
}

// SubscriptionMetrics counts messages of a subscription.
func (c *Client) SubscriptionMetrics(ctx context.Context, project, subscription string) (*wire.MetricList, error) {
	return c.metrics(ctx, subscriptionPath(project, subscription))
}

func (c *Client) metrics(ctx context.Context, resource apiPath) (*wire.MetricList, error) {
	l, _, err := fetch[wire.MetricList](ctx, c, http.MethodGet, resource.append(":metrics"))
	return l, err
}
