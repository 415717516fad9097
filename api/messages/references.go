package messages

import (
	"slices"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/directory"
)

// topic returns the topic of the path, if the caller's role or the topic's ACL allows the
// request.
func topic(r *rest.Request) (TopicRef, error) {
	project, name := r.Var(rest.VarProject), r.Var(rest.VarTopic)
	ref, ok := topicOf(r, project, name)
	if !ok {
		return TopicRef{}, apierror.NotFound(apierror.Topic)
	}
	m, _ := r.Snapshot.Member(project, r.Caller.Name)
	if r.IgnoresACLs() || slices.ContainsFunc(m.Topics, func(t *directory.Topic) bool { return t.Name == name }) {
		return ref, nil
	}
	return TopicRef{}, r.NotInACL()
}

func topicOf(r *rest.Request, project, name string) (TopicRef, bool) {
	p, _ := r.Snapshot.Project(project)
	t, ok := r.Snapshot.Topic(project, name)
	if !ok || p == nil {
		return TopicRef{}, false
	}
	if t.Subject == "" {
		own := *t
		own.Subject = p.Name + "." + t.Name
		t = &own
	}
	return TopicRef{Project: p, Topic: t}, true
}

// subscription returns the subscription of the path, if the caller's role or the ACL of the
// subscription allows the request.
func subscription(r *rest.Request) (SubscriptionRef, error) {
	project, name := r.Var(rest.VarProject), r.Var(rest.VarSubscription)
	sub, ok := r.Snapshot.Subscription(project, name)
	if !ok {
		return SubscriptionRef{}, apierror.NotFound(apierror.Subscription)
	}
	m, _ := r.Snapshot.Member(project, r.Caller.Name)
	if !r.IgnoresACLs() && !slices.ContainsFunc(m.Subs, func(s *directory.Subscription) bool { return s.Name == name }) {
		return SubscriptionRef{}, r.NotInACL()
	}
	t, ok := topicOf(r, project, sub.Topic)
	if !ok {
		return SubscriptionRef{}, apierror.Conflict("Subscription's topic doesn't exist")
	}
	return SubscriptionRef{Project: t.Project, Topic: t.Topic, Subscription: sub}, nil
}
