package api

import (
	"cmp"
	"slices"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

func subscriptionView(project, name string) view {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		sub, ok := s.Subscription(project, name)
		if !ok {
			return nil, 0, false
		}
		return shownSubscription(project, sub), sub.Revision, true
	}
}

func listSubscriptions(c *call) (*answer, error) {
	project := c.vars[varProject]
	m, restricted := c.ordinary()
	subs := m.Subs
	if !restricted {
		p, _ := c.snapshot.Project(project)
		subs = pointers(p.Subscriptions)
	}
	found, next, total, err := page(c, slices.Values(subs), func(s *directory.Subscription) position { return position{s.Created, s.Name} })
	if err != nil {
		return nil, err
	}
	out := wire.SubscriptionList{Subscriptions: []wire.Subscription{}, NextPageToken: next, TotalSize: total}
	for _, sub := range found {
		out.Subscriptions = append(out.Subscriptions, shownSubscription(project, sub))
	}
	return &answer{body: out}, nil
}

func showSubscription(c *call) (*answer, error) {
	project, name := c.vars[varProject], c.vars[varSubscription]
	_, there := c.snapshot.Subscription(project, name)
	m, restricted := c.ordinary()
	if there && restricted && !slices.ContainsFunc(m.Subs, func(s *directory.Subscription) bool { return s.Name == name }) {
		return nil, forbidden()
	}
	return c.show(c.snapshot, whatSubscription, subscriptionView(project, name))
}

func createSubscription(c *call) (*answer, error) {
	in, project, name := c.body.(*wire.SubscriptionInput), c.vars[varProject], c.vars[varSubscription]
	if err := c.newName(varSubscription, name); err != nil {
		return nil, err
	}
	topicProject, topic, ok := parseTopicName(in.Topic)
	if !ok {
		return nil, invalidName("Topic", nil)
	}
	if in.AckDeadlineSeconds < 0 || in.AckDeadlineSeconds > maxAckDeadline {
		return nil, invalid("Invalid ackDeadlineSeconds(needs value between 0 and %d) Arguments", maxAckDeadline)
	}
	push, err := pushOf(&in.PushConfig)
	if err != nil {
		return nil, err
	}
	at := subscriptionView(project, name)
	next, err := c.alter(whatSubscription, at, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		p, _ := s.Project(project)
		if _, ok := s.Topic(project, topic); !ok || topicProject != project {
			f := notFound(whatTopic)
			f.details = []string{"project " + project + " has no topic " + shownName(topic)}
			if topicProject != project {
				f.details = []string{"a subscription reads a topic of its own project"}
			}
			return nil, f
		}
		if _, ok := s.Subscription(project, name); ok {
			return nil, exists(whatSubscription)
		}
		if err := c.hasRoom(p); err != nil {
			return nil, err
		}
		sub := &directory.Subscription{
			Topic: topic, AckDeadline: cmp.Or(in.AckDeadlineSeconds, wire.DefaultAckDeadline), Push: push, Created: c.now(),
		}
		return directory.Put(directory.ResourceKey(directory.KindSubscription, p.ID, name), sub), nil
	})
	if err != nil {
		return nil, err
	}
	return c.changed(next, at)
}

func deleteSubscription(c *call) (*answer, error) {
	project, name := c.vars[varProject], c.vars[varSubscription]
	_, err := c.alter(whatSubscription, subscriptionView(project, name), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		p, _ := s.Project(project)
		if _, ok := s.Subscription(project, name); !ok {
			return nil, notFound(whatSubscription)
		}
		return s.RemoveSubscription(p.ID, name), nil
	})
	return &answer{}, err
}
