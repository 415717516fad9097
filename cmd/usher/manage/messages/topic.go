package messages

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"usher/api/messages"
	"usher/api/wire"
	"usher/cmd/usher/remote"
)

// TopicMessages is what a topic holds, as --json prints it.
type TopicMessages struct {
	Subscriptions int64     `json:"subscriptions"`
	Published     int64     `json:"published"` // ever
	Stored        int64     `json:"stored"`
	Bytes         int64     `json:"bytes"` // an estimate, if the stream has other topics
	Oldest        time.Time `json:"oldest,omitzero"`
	Newest        time.Time `json:"newest,omitzero"`
}

// topicWithMessages is a topic as --json prints it.
type topicWithMessages struct {
	*wire.Topic
	Messages    *TopicMessages `json:"messages,omitempty"`
	Unavailable string         `json:"messages_unavailable,omitempty"` // why Messages is missing
}

// ShowTopic prints a topic with its columns, and what it holds.
func ShowTopic(columns []remote.Column[wire.Topic]) func(ctx context.Context, r *remote.Session, t *wire.Topic) error {
	return func(ctx context.Context, r *remote.Session, t *wire.Topic) error {
		out := topicWithMessages{Topic: t}
		var more []line
		l, err := r.API.TopicMetrics(ctx, r.Project, r.Arg(0))
		if err == nil {
			out.Messages, more = topicMessages(metricsOf(l))
		} else if out.Unavailable, err = whyNot(err); err != nil {
			return err
		} else {
			more = []line{{"messages", out.Unavailable}}
		}
		return r.Print(out, func() error { return printLines(r, columns, t, more) })
	}
}

// Stored counts the messages of topics of a project. It is 0 if that is not known.
func Stored(ctx context.Context, r *remote.Session, project string, topics []wire.Topic) (n int64) {
	const most = 20 // requests
	for i := range topics[:min(len(topics), most)] {
		l, err := r.API.TopicMetrics(ctx, project, topics[i].Name[strings.LastIndexByte(topics[i].Name, '/')+1:])
		if err != nil {
			return n
		}
		n += metricsOf(l).number(messages.MetricTopicStored)
	}
	return n
}

func topicMessages(m metrics) (*TopicMessages, []line) {
	t := &TopicMessages{
		Subscriptions: m.number(messages.MetricTopicSubs), Stored: m.number(messages.MetricTopicStored),
		Oldest: m.time(messages.MetricTopicOldest), Newest: m.time(messages.MetricTopicNewest),
		Published: m.number(messages.MetricTopicMessages), Bytes: m.number(messages.MetricTopicBytes),
	}
	return t, []line{
		{"subscriptions", strconv.FormatInt(t.Subscriptions, 10)},
		{"messages", fmt.Sprintf("%d stored (%s), %d published", t.Stored, remote.FormatSize(int(t.Bytes)), t.Published)},
		{"oldest message", m.when(messages.MetricTopicOldest)},
		{"newest message", m.when(messages.MetricTopicNewest)},
	}
}
