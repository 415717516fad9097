package server

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	apisessions "usher/api/sessions"
	"usher/api/wire"
	"usher/app/explanation"
	"usher/app/sessions"
	"usher/callout/session"
)

// sessionsAPI is the live sessions as the API uses them. It implements sessions.Live.
type sessionsAPI struct {
	*liveSessions
	inputs func() explanation.Inputs
}

// Select yields the sessions that match a filter.
func (a sessionsAPI) Select(in *apisessions.Filter) iter.Seq[*session.Session] {
	f := &sessions.Filter{
		User: in.User, Project: in.Project, Key: in.Key, Method: in.Method, Account: in.Account, Server: in.Server,
		From: in.From, Since: in.Since, EndsBy: in.EndsBy, Subject: in.Subject,
	}
	if len(in.IDs) == 0 {
		return a.registry.Matching(f)
	}
	return func(yield func(*session.Session) bool) {
		for _, id := range in.IDs {
			if s, ok := a.registry.Find(id); ok && f.Match(s) && !yield(s) {
				return
			}
		}
	}
}

// Find returns a session.
func (a sessionsAPI) Find(id session.ID) (*session.Session, bool) { return a.registry.Find(id) }

// Ready returns why usher can neither ask the servers nor close sessions.
func (a sessionsAPI) Ready() error { return a.servers.Ready() }

// Close closes a session.
func (a sessionsAPI) Close(ctx context.Context, id session.ID) error { return a.servers.Kick(ctx, id) }

// Details asks the servers about sessions. It fails only if no server has answered.
func (a sessionsAPI) Details(ctx context.Context, ids []session.ID) (map[session.ID]*wire.SessionDetails, error) {
	found, err := a.servers.Details(ctx, ids, true)
	if len(found) == 0 && err != nil {
		return nil, err
	}
	out := make(map[session.ID]*wire.SessionDetails, len(found))
	for id := range found {
		d := found[id]
		x := &wire.SessionDetails{
			Idle: d.Idle.Round(time.Millisecond).String(), MessagesIn: int(d.InMsgs), MessagesOut: int(d.OutMsgs), BytesIn: int(d.InBytes), BytesOut: int(d.OutBytes),
			Subscriptions: d.Subjects, SubscriptionCount: d.Subscriptions,
		}
		if d.RTT > 0 {
			x.RTT = d.RTT.String()
		}
		out[id] = x
	}
	return out, nil
}

// Explain returns the reasons for the grant of a session.
func (a sessionsAPI) Explain(ctx context.Context, s *session.Session, project string) (*apisessions.Explanation, error) {
	x := explanation.ForSession(ctx, a.inputs(), s)
	if project != "" {
		x.OnlyIn(project)
	}
	out := &apisessions.Explanation{Lost: x.Lost, Gained: x.Gained}
	var err error
	if out.Was, err = marshal(x.Was); err == nil {
		out.Now, err = marshal(x.Now)
	}
	return out, err
}

// marshal returns an explanation as JSON; nil: there is none.
func marshal(x *explanation.Explanation) (json.RawMessage, error) {
	if x == nil {
		return nil, nil
	}
	return json.Marshal(x)
}
