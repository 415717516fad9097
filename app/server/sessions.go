package server

import (
	"context"
	"sync"
	"sync/atomic"

	"usher/app/sessions"
	"usher/app/sessions/exchange"
	"usher/app/sessions/limits"
	"usher/app/sessions/servers"
	"usher/callout"
	"usher/callout/session"
	"usher/internal/fault"
)

// liveSessions knows the live sessions, shares them with the other replicas and closes those
// that have lost something.
type liveSessions struct {
	registry   *sessions.Registry
	limits     *limits.Limits // nil: none
	servers    *servers.Servers
	exchange   *exchange.Exchange
	unsaved    atomic.Bool    // a session has changed since the last time that all were written
	background sync.WaitGroup // ends with the context of startSessions
}

// prepareSessions makes the parts that need no instance, and connects nothing.
func (srv *Server) prepareSessions() error {
	l := &liveSessions{}
	var err error
	if l.servers, err = srv.prepareServers(); err != nil {
		return err
	}
	limits, counts := srv.prepareLimits(l)
	l.registry = sessions.New(l.servers.Observer(), counts, sessions.Observer{
		Added: func(*session.Session) { l.unsaved.Store(true) },
		Removed: func(s *session.Session, why sessions.Ending) {
			l.unsaved.Store(true)
			l.exchange.Removed(s, why)
		},
	})
	l.limits = limits
	srv.sessions = l
	return nil
}

// startSessions connects. The sessions end with ctx; background waits for that.
func (srv *Server) startSessions(ctx context.Context) error {
	l := srv.sessions
	if err := l.servers.Start(l.registry); err != nil {
		return &fault.Error{Kind: fault.Config, Err: err}
	}
	context.AfterFunc(ctx, l.servers.Stop)
	return srv.startExchange(ctx)
}

// identitiesReloaded is called after identities and profiles have changed: sessions of
// identities that are not of the directory may have lost something.
func (*liveSessions) identitiesReloaded(*callout.Ruleset) {}

// Granted implements callout.Sessions.
func (l *liveSessions) Granted(s *session.Session) {
	l.registry.Add(s)
	l.exchange.Granted(s)
}

// Find implements callout.Sessions.
func (l *liveSessions) Find(id session.ID) (*session.Session, bool) { return l.registry.Find(id) }
