package projects

import (
	"slices"
	"strings"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

func listTopics(r *rest.Request) (*rest.Response, error) {
	project := r.Var(rest.VarProject)
	m, restricted := visibleByACL(r)
	topics := m.Topics
	if !restricted {
		p, _ := r.Snapshot.Project(project)
		topics = rest.Pointers(p.Topics)
	}
	page, err := rest.PageOf(r, slices.Values(topics), func(t *directory.Topic) rest.Position { return rest.Position{Created: t.Created, Name: t.Name} })
	if err != nil {
		return nil, err
	}
	out := wire.TopicList{Topics: []wire.Topic{}, NextPageToken: page.Next, TotalSize: page.Total}
	for _, t := range page.Items {
		out.Topics = append(out.Topics, topicOf(project, t))
	}
	return &rest.Response{Body: out}, nil
}

func showTopic(r *rest.Request) (*rest.Response, error) {
	project, name := r.Var(rest.VarProject), r.Var(rest.VarTopic)
	_, exists := r.Snapshot.Topic(project, name)
	m, restricted := visibleByACL(r)
	if exists && restricted && !slices.ContainsFunc(m.Topics, func(t *directory.Topic) bool { return t.Name == name }) {
		return nil, r.NotInACL()
	}
	return r.Show(apierror.Topic, topicView(project, name))
}

func (h *Handlers) createTopic(r *rest.Request) (*rest.Response, error) {
	in, project, name := r.Body.(*wire.TopicInput), r.Var(rest.VarProject), r.Var(rest.VarTopic)
	if err := r.CheckNewName(rest.VarTopic, name); err != nil {
		return nil, err
	}
	view := topicView(project, name)
	next, err := r.Commit(apierror.Topic, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		p, _ := s.Project(project)
		if _, ok := s.Topic(project, name); ok {
			return nil, apierror.AlreadyExists(apierror.Topic)
		}
		if err := checkResourceQuota(r, p); err != nil {
			return nil, err
		}
		if in.Subject != "" && !strings.HasPrefix(in.Subject, project+".") && !r.IsServiceAdmin() {
			return nil, apierror.Forbidden().WithDetails("only a service_admin can give a topic a subject that does not begin with " + project + ".")
		}
		return directory.Put(directory.ResourceKey(directory.KindTopic, p.ID, name), &directory.Topic{Subject: in.Subject, Created: r.Now()}), nil
	})
	if err != nil {
		return nil, err
	}
	response, err := r.ShowCommitted(next, view)
	if err == nil {
		h.keepStreams(r, response, next, project)
	}
	return response, err
}

func (h *Handlers) deleteTopic(r *rest.Request) (*rest.Response, error) {
	project, name := r.Var(rest.VarProject), r.Var(rest.VarTopic)
	if len(r.Snapshot.Readers(project, name)) == 0 { // else Commit refuses it
		if err := h.checkLoss(r, apierror.Topic, project, name, ""); err != nil {
			return nil, err
		}
	}
	var before *directory.Project
	next, err := r.Commit(apierror.Topic, topicView(project, name), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		p, _ := s.Project(project)
		before = p
		if _, ok := s.Topic(project, name); !ok {
			return nil, apierror.NotFound(apierror.Topic)
		}
		if readers := s.Readers(project, name); len(readers) > 0 {
			return nil, apierror.Conflict("Topic is read by subscription(s): %s", apierror.SafeNames(sortedNames(readers)))
		}
		return s.RemoveTopic(p.ID, name), nil
	})
	if err != nil {
		return nil, err
	}
	response := &rest.Response{}
	h.removeStreams(r, response, next, before, name, "")
	return response, nil
}

func sortedNames(subs []*directory.Subscription) []string {
	out := make([]string, len(subs))
	for i, sub := range subs {
		out[i] = sub.Name
	}
	slices.Sort(out)
	return out
}

func listTopicSubscriptions(r *rest.Request) (*rest.Response, error) {
	project, name := r.Var(rest.VarProject), r.Var(rest.VarTopic)
	if _, ok := r.Snapshot.Topic(project, name); !ok {
		return nil, apierror.NotFound(apierror.Topic)
	}
	out := wire.SubscriptionNames{Subscriptions: []string{}}
	for _, sub := range sortedNames(r.Snapshot.Readers(project, name)) {
		out.Subscriptions = append(out.Subscriptions, subscriptionName(project, sub))
	}
	return &rest.Response{Body: out}, nil
}
