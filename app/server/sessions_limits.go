package server

import (
	"context"
	"log/slog"

	"usher/app/config"
	"usher/app/sessions"
	"usher/app/sessions/limits"
	"usher/callout/session"
	"usher/internal/audit"
)

// prepareLimits returns the limits of connections, and what keeps their counts; nil: there
// are none.
func (srv *Server) prepareLimits(l *liveSessions) (*limits.Limits, sessions.Observer) {
	of := srv.cfg.Sessions.Limits
	cfg := limits.Config{PerUser: of.PerUser, PerKey: of.PerKey, PerProject: of.PerProject, Now: srv.Parts.Now, Ready: l.servers.Ready}
	if !cfg.Set() {
		return nil, sessions.Observer{}
	}
	if of.Over == config.OverCloseOldest {
		cfg.Close = func(s *session.Session, cause string) { go srv.closeOldest(l, s, cause) }
	}
	out := limits.New(cfg)
	return out, out.Observer()
}

// connectionLimits returns the limits for the callout.
func (l *liveSessions) connectionLimits() session.Limits {
	if l.limits == nil {
		return nil
	}
	return l.limits
}

// closeOldest closes a connection that makes room for another one.
func (srv *Server) closeOldest(l *liveSessions, s *session.Session, cause string) {
	if err := l.servers.Kick(context.Background(), s.ID); err != nil { // ends by itself
		srv.log.LogAttrs(context.Background(), slog.LevelWarn, "cannot close the oldest connection",
			slog.String("session", s.String()), slog.String("user", s.Identity.Name), slog.String("cause", cause), slog.String("error", err.Error()))
		return
	}
	event := s.Closed(srv.Parts.Now(), audit.ClosedOverLimit)
	event.Cause = cause
	srv.audit.WriteSessionClosed(event)
}
