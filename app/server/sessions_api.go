package server

import (
	"context"
	"encoding/json"
	"errors"
	"iter"

	apisessions "usher/api/sessions"
	"usher/api/wire"
	"usher/app/explanation"
	"usher/app/sessions"
	"usher/callout/session"
)

// sessionsAPI is the live sessions as the API uses them.
type sessionsAPI struct {
	live    *liveSessions
	explain func() explanation.Inputs
}

// errNoSessionUser: usher has no user of the system account for sessions.
var errNoSessionUser = errors.New("usher has no user of the system account for them: set sessions.user, sessions.nkey_file or sessions.creds_file in usher.yaml")

// Select implements sessions.Live of the API.
func (a sessionsAPI) Select(f *apisessions.Filter) iter.Seq[*session.Session] {
	if len(f.IDs) == 0 {
		return a.live.registry.Matching(filterOf(f))
	}
	return func(yield func(*session.Session) bool) {
		for _, id := range f.IDs {
			if s, ok := a.live.registry.Find(id); ok && filterOf(f).Match(s) && !yield(s) {
				return
			}
		}
	}
}

func filterOf(f *apisessions.Filter) *sessions.Filter {
	return &sessions.Filter{
		User: f.User, Project: f.Project, Key: f.Key, Method: f.Method, Account: f.Account, Server: f.Server,
		From: f.From, Since: f.Since, EndsBy: f.EndsBy, Subject: f.Subject,
	}
}

// Find implements sessions.Live of the API.
func (a sessionsAPI) Find(id session.ID) (*session.Session, bool) { return a.live.registry.Find(id) }

// Ready implements sessions.Live of the API.
func (sessionsAPI) Ready() error { return errNoSessionUser }

// Details implements sessions.Live of the API.
func (sessionsAPI) Details(context.Context, []session.ID) (map[session.ID]*wire.SessionDetails, error) {
	return nil, errNoSessionUser
}

// Close implements sessions.Live of the API.
func (sessionsAPI) Close(context.Context, session.ID) error { return errNoSessionUser }

// Explain implements sessions.Live of the API.
func (a sessionsAPI) Explain(_ context.Context, s *session.Session, project string) (*apisessions.Explanation, error) {
	was := explanation.OfSession(a.explain(), s)
	if project != "" {
		was = was.OnlyIn(project)
	}
	text, err := json.Marshal(was)
	return &apisessions.Explanation{Was: text}, err
}
