package push

import (
	"errors"
	"net/http"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

const pathSubscription = "/v1/projects/{project}/subscriptions/{subscription}"

// Routes returns the routes of push configurations.
func (h *Handlers) Routes() []rest.Route {
	admin := rest.Admins(directory.RoleProjectAdmin)
	return []rest.Route{
		{
			Name: "subscription.modify_push_config", Method: http.MethodPost, Path: pathSubscription + ":modifyPushConfig", Access: admin, Handler: h.modify,
			Doc:  "Replaces the push configuration of a subscription. Another endpoint must be verified anew, and gets another authorization header; the same one keeps both. `{\"pushConfig\":{}}` ends pushes.",
			Body: wire.ModifyPushConfig{}, BodyName: "Subscription", ETag: true,
		},
		{
			Name: "subscription.verify_push_endpoint", Method: http.MethodPost, Path: pathSubscription + ":verifyPushEndpoint", Access: admin, Handler: h.verify,
			Doc:  "Asks the endpoint of a subscription for its verification hash at `/ams_verification_hash`. If the answer is the hash, a process that pushes may push messages there.",
			ETag: true,
		},
		{
			Name: "subscription.rotate_push_header", Method: http.MethodPost, Path: pathSubscription + ":rotatePushHeader", Access: admin, Handler: h.rotate,
			Doc:      "Gives the pushes of a subscription another authorization header. The previous one is shown beside it for `push.header_grace`.",
			Response: wire.Subscription{}, ETag: true, BeyondAMS: true,
		},
	}
}

// WorkerRoutes returns the route of those who push.
func (h *Handlers) WorkerRoutes() []rest.Route {
	return []rest.Route{{
		Name: "push.workers", Method: http.MethodGet, Path: "/v1/push-workers", Access: rest.Readers(), Handler: h.workers,
		Doc:      "Lists the processes that push. `pushState` of a subscription says which of them pushes it.",
		Response: wire.PushWorkers{}, BeyondAMS: true,
	}}
}

func (h *Handlers) workers(r *rest.Request) (*rest.Response, error) {
	out := wire.PushWorkers{Workers: []string{}}
	if h.cfg.States == nil {
		return &rest.Response{Body: out}, nil
	}
	names, err := h.cfg.States.Workers(r.Context())
	if err != nil {
		return nil, apierror.PushUnavailable(err)
	}
	out.Workers = append(out.Workers, names...)
	return &rest.Response{Body: out}, nil
}

// commit changes the push configuration of the subscription of the path. f returns the new one.
func (h *Handlers) commit(r *rest.Request, f func(p *directory.Project, sub *directory.Subscription) (*directory.Push, error)) (*snapshot.Snapshot, *rest.Response, error) {
	project, name := r.Var(rest.VarProject), r.Var(rest.VarSubscription)
	view := View(project, name)
	next, err := r.Commit(apierror.Subscription, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		p, _ := s.Project(project)
		sub, ok := s.Subscription(project, name)
		if !ok {
			return nil, apierror.NotFound(apierror.Subscription)
		}
		changed := *sub
		var err error
		if changed.Push, err = f(p, sub); err != nil {
			return nil, err
		}
		return directory.Put(directory.ResourceKey(directory.KindSubscription, p.ID, name), &changed), nil
	})
	if err != nil {
		return nil, nil, err
	}
	response, err := r.ShowCommitted(next, view)
	return next, response, err
}

func (h *Handlers) modify(r *rest.Request) (*rest.Response, error) {
	in := r.Body.(*wire.ModifyPushConfig)
	if in.PushConfig == nil {
		return nil, r.InvalidBody(errors.New("pushConfig is missing"))
	}
	change, err := h.NewChange(r, in.PushConfig)
	if err != nil {
		return nil, err
	}
	_, response, err := h.commit(r, func(p *directory.Project, sub *directory.Subscription) (*directory.Push, error) {
		return change.Of(r.Context(), p, sub.Name, sub.Push)
	})
	if err != nil {
		return nil, err
	}
	return &rest.Response{ETag: response.ETag}, nil // AMS returns an empty body
}

func (h *Handlers) rotate(r *rest.Request) (*rest.Response, error) {
	header, err := randomHex(r.Random())
	if err != nil {
		return nil, err
	}
	next, response, err := h.commit(r, func(p *directory.Project, sub *directory.Subscription) (*directory.Push, error) {
		if sub.Push == nil || sub.Push.Type == directory.PushMattermost {
			return nil, notHTTP()
		}
		if h.cfg.Box == nil {
			return nil, apierror.Conflict("Subscription has no authorization header")
		}
		sealed, err := h.seal(r.Context(), p, sub.Name, header)
		if err != nil {
			return nil, err
		}
		changed := *sub.Push
		changed.Authorization = &directory.PushAuthorization{Sealed: sealed}
		if old := sub.Push.Authorization; old != nil && h.cfg.HeaderGrace > 0 {
			changed.Authorization.Previous, changed.Authorization.PreviousUntil = old.Sealed, r.Now().Add(h.cfg.HeaderGrace)
		}
		return &changed, nil
	})
	if err != nil {
		return nil, err
	}
	return h.Complete(r, next, response), nil
}

// notHTTP refuses a subscription without an endpoint of type http_endpoint.
func notHTTP() *apierror.Error { return apierror.Conflict("Subscription is not in http push mode") }
