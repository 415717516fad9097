package server

import (
	"context"

	"usher/app/sessions"
	"usher/callout"
	"usher/callout/session"
)

// liveSessions knows the live sessions, shares them with the other replicas and closes those
// that have lost something.
type liveSessions struct {
	registry *sessions.Registry
}

// prepareSessions makes the parts that need no connection.
func (srv *Server) prepareSessions() {
	srv.sessions = &liveSessions{registry: sessions.New()}
}

// startSessions connects. The sessions end with ctx.
func (srv *Server) startSessions(context.Context) error { return nil }

// identitiesReloaded is called after identities and profiles have changed: sessions of
// identities that are not of the directory may have lost something.
func (*liveSessions) identitiesReloaded(*callout.Ruleset) {}

// Granted implements callout.Sessions.
func (l *liveSessions) Granted(s *session.Session) { l.registry.Add(s) }
