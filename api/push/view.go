package push

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

// View shows a subscription without the value of its header, because every caller of a view
// sees the same.
func View(project, name string) rest.View {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		sub, ok := s.Subscription(project, name)
		if !ok {
			return nil, 0, false
		}
		return Shown(project, sub), sub.Revision, true
	}
}

// Shown returns a subscription without what may be a secret: the value of its header, the query
// of its endpoint, and the path of a Mattermost webhook.
func Shown(project string, sub *directory.Subscription) wire.Subscription {
	out := wire.Subscription{
		Name: fullName(project, "subscriptions", sub.Name), Topic: fullName(project, "topics", sub.Topic),
		AckDeadlineSeconds: cmp.Or(sub.AckDeadline, wire.DefaultAckDeadline), CreatedOn: wire.Time(sub.Created),
	}
	p := sub.Push
	if p == nil {
		return out
	}
	out.PushConfig = wire.PushConfig{
		Type: p.Type, PushEndpoint: withoutQuery(p.Endpoint), MaxMessages: p.MaxMessages, Base64Decode: p.Base64Decode,
		RetryPolicy:      wire.RetryPolicy{Type: cmp.Or(p.RetryType, retryLinear), Period: new(p.RetryPeriod)},
		VerificationHash: p.VerificationHash, Verified: p.Deliverable(),
		AuthorizationHeader: wire.AuthorizationHeader{Type: headerDisabled},
		MattermostURL:       site(p.MattermostURL), MattermostUsername: p.MattermostUsername, MattermostChannel: p.MattermostChannel,
	}
	if p.Authorization != nil {
		out.PushConfig.AuthorizationHeader.Type = headerAutogen
	}
	return out
}

// site returns scheme and host of a URL.
func site(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

// withoutQuery returns an address without its query.
func withoutQuery(text string) string {
	before, _, _ := strings.Cut(text, "?")
	return before
}

// Listed is Shown for the caller of a request: administrators see whole endpoints.
func Listed(r *rest.Request, project string, sub *directory.Subscription) wire.Subscription {
	out := Shown(project, sub)
	if sub.Push != nil && seesHeader(r, project) {
		out.PushConfig.PushEndpoint = sub.Push.Endpoint
	}
	return out
}

func fullName(project, kind, name string) string {
	return "/projects/" + project + "/" + kind + "/" + name
}

// Complete adds to a response that shows a subscription what is not a part of every view: the
// header, if the caller may see it, and how the pushes go.
func (h *Handlers) Complete(r *rest.Request, s *snapshot.Snapshot, response *rest.Response) *rest.Response {
	shown, ok := response.Body.(wire.Subscription)
	name := r.Var(rest.VarProject)
	project, exists := s.Project(name)
	sub, found := s.Subscription(name, r.Var(rest.VarSubscription))
	if !ok || !exists || !found || sub.Push == nil {
		return response
	}
	if h.cfg.States != nil {
		if state, err := h.cfg.States.State(r.Context(), project, sub); err == nil {
			shown.PushStatus, shown.PushState = state.Text(shown.Name), state.wire()
		} else {
			shown.PushStatus = Unavailable
		}
	}
	if seesHeader(r, name) {
		shown.PushConfig.MattermostURL, shown.PushConfig.PushEndpoint = sub.Push.MattermostURL, sub.Push.Endpoint
	}
	if a := sub.Push.Authorization; a != nil && h.cfg.Box != nil && seesHeader(r, name) {
		header := &shown.PushConfig.AuthorizationHeader
		header.Value = h.open(r, project, sub.Name, a.Sealed)
		if len(a.Previous) > 0 && r.Now().Before(a.PreviousUntil) {
			header.PreviousValue, header.PreviousUntil = h.open(r, project, sub.Name, a.Previous), wire.Time(a.PreviousUntil)
		}
	}
	response.Body = shown
	return response
}

// open returns a header; empty: it cannot be opened now.
func (h *Handlers) open(r *rest.Request, project *directory.Project, sub string, sealed []byte) string {
	header, err := h.cfg.Box.Open(r.Context(), sealed, place(project, sub))
	if err != nil {
		return ""
	}
	return string(header)
}

// seesHeader reports whether the caller may see the headers of a project: its administrators
// configure receivers with it, and push workers send it.
func seesHeader(r *rest.Request, project string) bool {
	if r.IsServiceAdmin() || slices.Contains(r.Caller.ServiceRoles, directory.ServiceRolePushWorker) {
		return true
	}
	m, _ := r.Snapshot.Member(project, r.Caller.Name)
	return m.Has(directory.RoleProjectAdmin)
}
