package server

import (
	"context"

	"usher/app/sessions"
	"usher/app/sessions/servers"
	"usher/callout/session"
	"usher/internal/fault"
)

// liveSessions knows the live sessions, shares them with the other replicas and closes those
// that have lost something.
type liveSessions struct {
	registry *sessions.Registry
	servers  *servers.Servers
}

// prepareSessions makes the parts, and connects nothing.
func (srv *Server) prepareSessions() error {
	l := &liveSessions{}
	var err error
	if l.servers, err = srv.prepareServers(); err != nil {
		return err
	}
	l.registry = sessions.New(l.servers.Observer())
	srv.sessions = l
	return nil
}

// startSessions connects. The sessions end with ctx.
func (srv *Server) startSessions(ctx context.Context) error {
	l := srv.sessions
	if err := l.servers.Start(l.registry); err != nil {
		return &fault.Error{Kind: fault.Config, Err: err}
	}
	context.AfterFunc(ctx, l.servers.Stop)
	return nil
}

// Granted implements callout.Sessions.
func (l *liveSessions) Granted(s *session.Session) { l.registry.Add(s) }

// Find implements callout.Sessions.
func (l *liveSessions) Find(id session.ID) (*session.Session, bool) { return l.registry.Find(id) }
