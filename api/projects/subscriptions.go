package projects

import (
	"cmp"
	"slices"

	"usher/api/apierror"
	"usher/api/push"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

// maxAckDeadline is the limit of AMS, in seconds; ackDeadlineName is what its errors call it.
const (
	maxAckDeadline  = 600
	ackDeadlineName = "ackDeadlineSeconds(needs value between 0 and 600)"
)

func listSubscriptions(r *rest.Request) (*rest.Response, error) {
	project := r.Var(rest.VarProject)
	m, restricted := visibleByACL(r)
	subs := m.Subs
	if !restricted {
		p, _ := r.Snapshot.Project(project)
		subs = rest.Pointers(p.Subscriptions)
	}
	page, err := rest.PageOf(r, slices.Values(subs), func(s *directory.Subscription) rest.Position { return rest.Position{Created: s.Created, Name: s.Name} })
	if err != nil {
		return nil, err
	}
	out := wire.SubscriptionList{Subscriptions: []wire.Subscription{}, NextPageToken: page.Next, TotalSize: page.Total}
	for _, sub := range page.Items {
		out.Subscriptions = append(out.Subscriptions, push.Listed(r, project, sub))
	}
	return &rest.Response{Body: out}, nil
}

func (h *Handlers) showSubscription(r *rest.Request) (*rest.Response, error) {
	project, name := r.Var(rest.VarProject), r.Var(rest.VarSubscription)
	_, exists := r.Snapshot.Subscription(project, name)
	m, restricted := visibleByACL(r)
	if exists && restricted && !slices.ContainsFunc(m.Subs, func(s *directory.Subscription) bool { return s.Name == name }) {
		return nil, r.NotInACL()
	}
	response, err := r.Show(apierror.Subscription, push.View(project, name))
	if err != nil {
		return nil, err
	}
	return h.cfg.Push.Complete(r, r.Snapshot, response), nil
}

func (h *Handlers) createSubscription(r *rest.Request) (*rest.Response, error) {
	in, project, name := r.Body.(*wire.SubscriptionInput), r.Var(rest.VarProject), r.Var(rest.VarSubscription)
	if err := r.CheckNewName(rest.VarSubscription, name); err != nil {
		return nil, err
	}
	topicProject, topic, ok := parseTopicName(in.Topic)
	if !ok {
		return nil, apierror.InvalidReference("Topic", apierror.TopicShape)
	}
	if in.AckDeadlineSeconds < 0 || in.AckDeadlineSeconds > maxAckDeadline {
		return nil, apierror.Invalid("Invalid %s Arguments", ackDeadlineName)
	}
	change, err := h.cfg.Push.NewChange(r, &in.PushConfig)
	if err != nil {
		return nil, err
	}
	view := push.View(project, name)
	next, err := r.Commit(apierror.Subscription, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		p, _ := s.Project(project)
		if topicProject != project {
			return nil, apierror.NotFound(apierror.Topic).WithDetails("a subscription reads a topic of its own project")
		}
		if _, ok := s.Topic(project, topic); !ok {
			return nil, apierror.NotFound(apierror.Topic).WithDetails("project " + project + " has no topic " + apierror.SafeName(topic))
		}
		if _, ok := s.Subscription(project, name); ok {
			return nil, apierror.AlreadyExists(apierror.Subscription)
		}
		if err := checkResourceQuota(r, p); err != nil {
			return nil, err
		}
		configured, err := change.Of(r.Context(), p, name, nil)
		if err != nil {
			return nil, err
		}
		sub := &directory.Subscription{
			Topic: topic, AckDeadline: cmp.Or(in.AckDeadlineSeconds, wire.DefaultAckDeadline), Push: configured, Created: r.Now(),
		}
		return directory.Put(directory.ResourceKey(directory.KindSubscription, p.ID, name), sub), nil
	})
	if err != nil {
		return nil, err
	}
	response, err := r.ShowCommitted(next, view)
	if err != nil {
		return nil, err
	}
	h.keepStreams(r, response, next, project)
	return h.cfg.Push.Complete(r, next, response), nil
}

func (h *Handlers) deleteSubscription(r *rest.Request) (*rest.Response, error) {
	project, name := r.Var(rest.VarProject), r.Var(rest.VarSubscription)
	if err := h.checkLoss(r, apierror.Subscription, project, "", name); err != nil {
		return nil, err
	}
	var before *directory.Project
	next, err := r.Commit(apierror.Subscription, push.View(project, name), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		p, _ := s.Project(project)
		before = p
		if _, ok := s.Subscription(project, name); !ok {
			return nil, apierror.NotFound(apierror.Subscription)
		}
		return s.RemoveSubscription(p.ID, name), nil
	})
	if err != nil {
		return nil, err
	}
	response := &rest.Response{}
	h.removeStreams(r, response, next, before, "", name)
	return response, nil
}
