package api

import (
	"slices"
	"strings"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

func topicView(project, name string) view {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		t, ok := s.Topic(project, name)
		if !ok {
			return nil, 0, false
		}
		return shownTopic(project, t), t.Revision, true
	}
}

// ordinary reports whether who asks sees only what the ACLs of a project allow,
// and what that is.
func (c *call) ordinary() (m directory.Membership, restricted bool) {
	m, _ = c.snapshot.Member(c.vars[varProject], c.user.Name)
	return m, !c.isServiceAdmin() && !m.Has(directory.RoleProjectAdmin)
}

func listTopics(c *call) (*answer, error) {
	project := c.vars[varProject]
	m, restricted := c.ordinary()
	topics := m.Topics
	if !restricted {
		p, _ := c.snapshot.Project(project)
		topics = pointers(p.Topics)
	}
	found, next, total, err := page(c, slices.Values(topics), func(t *directory.Topic) position { return position{t.Created, t.Name} })
	if err != nil {
		return nil, err
	}
	out := wire.TopicList{Topics: []wire.Topic{}, NextPageToken: next, TotalSize: total}
	for _, t := range found {
		out.Topics = append(out.Topics, shownTopic(project, t))
	}
	return &answer{body: out}, nil
}

func pointers[T any](all []T) []*T {
	out := make([]*T, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	return out
}

func showTopic(c *call) (*answer, error) {
	project, name := c.vars[varProject], c.vars[varTopic]
	_, there := c.snapshot.Topic(project, name)
	m, restricted := c.ordinary()
	if there && restricted && !slices.ContainsFunc(m.Topics, func(t *directory.Topic) bool { return t.Name == name }) {
		return nil, forbidden()
	}
	return c.show(c.snapshot, whatTopic, topicView(project, name))
}

func createTopic(c *call) (*answer, error) {
	in, project, name := c.body.(*wire.TopicInput), c.vars[varProject], c.vars[varTopic]
	if err := c.newName(varTopic, name); err != nil {
		return nil, err
	}
	at := topicView(project, name)
	next, err := c.alter(whatTopic, at, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		p, _ := s.Project(project)
		if _, ok := s.Topic(project, name); ok {
			return nil, exists(whatTopic)
		}
		if err := c.hasRoom(p); err != nil {
			return nil, err
		}
		if in.Subject != "" && !strings.HasPrefix(in.Subject, project+".") && !c.isServiceAdmin() {
			f := forbidden()
			f.details = []string{"only a service_admin gives a topic a subject that does not begin with " + project + "."}
			return nil, f
		}
		return directory.Put(directory.ResourceKey(directory.KindTopic, p.ID, name), &directory.Topic{Subject: in.Subject, Created: c.now()}), nil
	})
	if err != nil {
		return nil, err
	}
	return c.changed(next, at)
}

func deleteTopic(c *call) (*answer, error) {
	project, name := c.vars[varProject], c.vars[varTopic]
	_, err := c.alter(whatTopic, topicView(project, name), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		p, _ := s.Project(project)
		if _, ok := s.Topic(project, name); !ok {
			return nil, notFound(whatTopic)
		}
		if readers := s.Readers(project, name); len(readers) > 0 {
			return nil, conflict("Topic is read by subscription(s): %s", shownNames(names(readers)))
		}
		return s.RemoveTopic(p.ID, name), nil
	})
	return &answer{}, err
}

func names(subs []*directory.Subscription) []string {
	out := make([]string, len(subs))
	for i, sub := range subs {
		out[i] = sub.Name
	}
	slices.Sort(out)
	return out
}

func listReaders(c *call) (*answer, error) {
	project, name := c.vars[varProject], c.vars[varTopic]
	if _, ok := c.snapshot.Topic(project, name); !ok {
		return nil, notFound(whatTopic)
	}
	out := wire.SubscriptionNames{Subscriptions: []string{}}
	for _, sub := range names(c.snapshot.Readers(project, name)) {
		out.Subscriptions = append(out.Subscriptions, subscriptionName(project, sub))
	}
	return &answer{body: out}, nil
}
