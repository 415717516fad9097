package projects

import (
	"cmp"
	"errors"
	"slices"

	"usher/api/apierror"
	"usher/api/push"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

var errAckDeadline = errors.New("ackDeadlineSeconds: expected a number between 0 and 600")

// modifyAckDeadline changes the ack deadline of a subscription. A consumer whom the ACL names
// may change it too, as in AMS.
func (h *Handlers) modifyAckDeadline(r *rest.Request) (*rest.Response, error) {
	in, project, name := r.Body.(*wire.AckDeadline), r.Var(rest.VarProject), r.Var(rest.VarSubscription)
	seconds := in.AckDeadlineSeconds
	if seconds == nil || *seconds < 0 || *seconds > maxAckDeadline {
		return nil, r.InvalidBody(errAckDeadline)
	}
	view := push.View(project, name)
	next, err := r.Commit(apierror.Subscription, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		old, ok := s.Subscription(project, name)
		if !ok {
			return nil, apierror.NotFound(apierror.Subscription)
		}
		m, restricted := visibleByACL(r)
		if restricted && !slices.ContainsFunc(m.Subs, func(s *directory.Subscription) bool { return s.Name == name }) {
			return nil, r.NotInACL()
		}
		p, _ := s.Project(project)
		sub := *old
		sub.AckDeadline = cmp.Or(*seconds, wire.DefaultAckDeadline)
		return directory.Put(directory.ResourceKey(directory.KindSubscription, p.ID, name), &sub), nil
	})
	if err != nil {
		return nil, err
	}
	out, err := r.ShowCommitted(next, view)
	if err != nil {
		return nil, err
	}
	response := &rest.Response{ETag: out.ETag} // AMS returns an empty body
	h.keepStreams(r, response, next, project)
	return response, nil
}
