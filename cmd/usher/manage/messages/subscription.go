package messages

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"usher/api/client"
	"usher/api/messages"
	"usher/api/wire"
	"usher/cmd/usher/remote"
)

// SubscriptionMessages is how far a subscription has come, as --json prints it.
type SubscriptionMessages struct {
	wire.Offsets

	Lag            int64     `json:"lag"` // Pending and Unacknowledged
	Pending        int64     `json:"pending"`
	Unacknowledged int64     `json:"unacknowledged"`
	Redelivered    int64     `json:"redelivered"`
	Deliveries     int64     `json:"deliveries"`      // before the first that is not acknowledged; repeated ones count
	Oldest         time.Time `json:"oldest,omitzero"` // of the lag
	LastAck        time.Time `json:"last_acknowledgement,omitzero"`
}

// subscriptionWithMessages is a subscription as --json prints it.
type subscriptionWithMessages struct {
	*wire.Subscription
	Messages    *SubscriptionMessages `json:"messages,omitempty"`
	Unavailable string                `json:"messages_unavailable,omitempty"` // why Messages is missing
}

// ShowSubscription prints a subscription with its columns, how far it has come, and how its
// pushes go.
func ShowSubscription(columns []remote.Column[wire.Subscription]) func(ctx context.Context, r *remote.Session, s *wire.Subscription) error {
	return func(ctx context.Context, r *remote.Session, s *wire.Subscription) error {
		HideSecrets(s)
		out := subscriptionWithMessages{Subscription: s}
		var more []line
		m, when, err := progress(ctx, r.API, r.Project, r.Arg(0))
		if err == nil {
			out.Messages, more = m, subscriptionLines(m, when)
		} else if out.Unavailable, err = whyNot(err); err != nil {
			return err
		} else {
			more = []line{{"messages", out.Unavailable}}
		}
		return r.Print(out, func() error { return printLines(r, columns, s, append(more, pushLines(s)...)) })
	}
}

// Lag returns how many messages of a subscription are not acknowledged, or why the API does
// not tell.
func Lag(ctx context.Context, api *client.Client, project, name string) (lag int64, reason string, err error) {
	l, err := api.SubscriptionMetrics(ctx, project, name)
	if err != nil {
		reason, err = whyNot(err)
		return 0, reason, err
	}
	m := metricsOf(l)
	return m.number(messages.MetricSubPending) + m.number(messages.MetricSubOut), "", nil
}

// progress returns how far a subscription has come, and the metrics by which it is known.
func progress(ctx context.Context, api *client.Client, project, name string) (*SubscriptionMessages, metrics, error) {
	l, err := api.SubscriptionMetrics(ctx, project, name)
	if err != nil {
		return nil, nil, err
	}
	o, err := api.Offsets(ctx, project, name)
	if err != nil {
		return nil, nil, err
	}
	m := metricsOf(l)
	s := &SubscriptionMessages{
		Offsets: *o, Pending: m.number(messages.MetricSubPending), Unacknowledged: m.number(messages.MetricSubOut),
		Redelivered: m.number(messages.MetricSubRedelivered), Deliveries: m.number(messages.MetricSubMessages),
		Oldest: m.time(messages.MetricSubOldest), LastAck: m.time(messages.MetricSubLastAck),
	}
	s.Lag = s.Pending + s.Unacknowledged
	return s, m, nil
}

func subscriptionLines(s *SubscriptionMessages, m metrics) []line {
	lag := "0 messages"
	if s.Lag > 0 {
		lag = fmt.Sprintf("%s: %d not delivered yet, %d delivered and not acknowledged", count(s.Lag, "message"), s.Pending, s.Unacknowledged)
	}
	redelivered := ""
	if s.Redelivered > 0 {
		redelivered = count(s.Redelivered, "message") + " of these"
	}
	return []line{
		{"lag", lag},
		{"redelivered", redelivered},
		{"oldest message", m.when(messages.MetricSubOldest)},
		{"offset", fmt.Sprintf("%d (of %d to %d)", s.Current, s.Min, s.Max)},
		{"deliveries", strconv.FormatInt(s.Deliveries, 10)},
		{"last acknowledgement", m.when(messages.MetricSubLastAck)},
	}
}
