package messages

import (
	"slices"
	"strings"
	"time"

	"usher/api/rest"
	"usher/api/wire"
)

// The names of metrics. Those without Oldest, Newest, Pending, Out and Redelivered are AMS's.
const (
	MetricProjectTopics     = "project.number_of_topics"
	MetricProjectSubs       = "project.number_of_subscriptions"
	MetricProjectUserTopics = "project.user.number_of_topics"
	MetricProjectUserSubs   = "project.user.number_of_subscriptions"
	MetricTopicSubs         = "topic.number_of_subscriptions"
	MetricTopicMessages     = "topic.number_of_messages"
	MetricTopicBytes        = "topic.number_of_bytes"
	MetricTopicStored       = "topic.number_of_stored_messages"
	MetricTopicOldest       = "topic.oldest_message"
	MetricTopicNewest       = "topic.newest_message"
	MetricSubMessages       = "subscription.number_of_messages"
	MetricSubPending        = "subscription.number_of_pending_messages"
	MetricSubOut            = "subscription.number_of_unacknowledged_messages"
	MetricSubRedelivered    = "subscription.number_of_redelivered_messages"
	MetricSubOldest         = "subscription.oldest_unacknowledged_message"
	MetricSubLastAck        = "subscription.last_acknowledgement"
)

// metricList collects metrics that are about one time.
type metricList struct {
	wire.MetricList
	at time.Time
}

func (h *Handlers) newList(r *rest.Request) *metricList {
	return &metricList{wire.MetricList{Metrics: []wire.Metric{}}, r.Now()}
}

func (l *metricList) add(kind, resource, name, valueType, description string, value any) {
	l.Metrics = append(l.Metrics, wire.Metric{
		Metric: name, MetricType: "counter", ValueType: valueType, ResourceType: kind, ResourceName: resource,
		Timeseries:  []wire.Timepoint{{Timestamp: wire.Time(l.at), Value: value}},
		Description: description,
	})
}

func (l *metricList) count(kind, resource, name, description string, value uint64) {
	l.add(kind, resource, name, "int64", description, value)
}

// when adds a time, unless it is not known.
func (l *metricList) when(kind, resource, name, description string, at time.Time) {
	if !at.IsZero() {
		l.add(kind, resource, name, "datetime", description, at.UTC().Format(time.RFC3339Nano))
	}
}

func (l *metricList) response() *rest.Response { return &rest.Response{Body: l.MetricList} }

// projectMetrics needs the directory alone.
func (h *Handlers) projectMetrics(r *rest.Request) (*rest.Response, error) {
	name := r.Var(rest.VarProject)
	p, _ := r.Snapshot.Project(name)
	l := h.newList(r)
	l.count("project", name, MetricProjectTopics, "Counter that displays the number of topics belonging to the specific project", uint64(len(p.Topics)))
	l.count("project", name, MetricProjectSubs, "Counter that displays the number of subscriptions belonging to the specific project", uint64(len(p.Subscriptions)))
	type counts struct {
		user         string
		topics, subs int
	}
	var users []counts
	for u := range r.Snapshot.Members(name) {
		m, _ := r.Snapshot.Member(name, u.Name)
		users = append(users, counts{u.Name, len(m.Topics), len(m.Subs)})
	}
	slices.SortFunc(users, func(x, y counts) int { return strings.Compare(x.user, y.user) })
	for _, u := range users {
		l.count("project.user", name+"."+u.user, MetricProjectUserTopics, "Counter that displays the number of topics that a user has access to the specific project", uint64(u.topics)) //nolint:gosec // a length
	}
	for _, u := range users {
		l.count("project.user", name+"."+u.user, MetricProjectUserSubs, "Counter that displays the number of subscriptions that a user has access to the specific project", uint64(u.subs)) //nolint:gosec // a length
	}
	return l.response(), nil
}

func (h *Handlers) topicMetrics(r *rest.Request) (*rest.Response, error) {
	ref, err := topic(r)
	if err != nil {
		return nil, err
	}
	s, err := h.cfg.Store.TopicState(r.Context(), ref)
	if err != nil {
		return nil, storeError(err)
	}
	const kind = "topic"
	name, l := ref.Topic.Name, h.newList(r)
	l.count(kind, name, MetricTopicSubs, "Counter that displays the number of subscriptions belonging to a specific topic", uint64(len(r.Snapshot.Readers(ref.Project.Name, name))))
	l.count(kind, name, MetricTopicMessages, "Counter that displays the number of messages published to the specific topic; those that the stream of the project has dropped count for each of its topics", s.Published)
	l.count(kind, name, MetricTopicBytes, "Counter that displays the total size of data (in bytes) stored for the specific topic; an estimate if the project has other topics", s.Bytes)
	l.count(kind, name, MetricTopicStored, "Number of messages of the topic that are stored", s.Messages)
	l.when(kind, name, MetricTopicOldest, "When the oldest message that is stored was published", s.Oldest)
	l.when(kind, name, MetricTopicNewest, "When the newest message was published", s.Newest)
	return l.response(), nil
}

func (h *Handlers) subscriptionMetrics(r *rest.Request) (*rest.Response, error) {
	ref, err := subscription(r)
	if err != nil {
		return nil, err
	}
	s, err := h.cfg.Store.SubscriptionState(r.Context(), ref)
	if err != nil {
		return nil, storeError(err)
	}
	const kind = "subscription"
	name, l := ref.Subscription.Name, h.newList(r)
	l.count(kind, name, MetricSubMessages, "Counter that displays the number of messages consumed from the specific subscription", s.Consumed)
	l.count(kind, name, MetricSubPending, "Number of messages that were not delivered yet", s.Pending)
	l.count(kind, name, MetricSubOut, "Number of messages that were delivered and are not acknowledged", uint64(max(0, s.AckPending)))
	l.count(kind, name, MetricSubRedelivered, "Number of these that were delivered more than once", uint64(max(0, s.Redelivered)))
	l.when(kind, name, MetricSubOldest, "When the oldest message that is not acknowledged was published", s.Oldest)
	l.when(kind, name, MetricSubLastAck, "When a message was last acknowledged", s.LastAck)
	return l.response(), nil
}
