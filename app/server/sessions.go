package server

import (
	"context"
	"sync"
	"sync/atomic"

	"usher/app/sessions"
	"usher/app/sessions/exchange"
	"usher/callout/session"
)

// liveSessions knows the live sessions, shares them with the other replicas and closes those
// that have lost something.
type liveSessions struct {
	registry   *sessions.Registry
	exchange   *exchange.Exchange
	unsaved    atomic.Bool    // a session has changed since the last time that all were written
	background sync.WaitGroup // ends with the context of startSessions
}

// prepareSessions makes the parts that need no connection.
func (srv *Server) prepareSessions() {
	l := &liveSessions{}
	l.registry = sessions.New(sessions.Observer{
		Added: func(*session.Session) { l.unsaved.Store(true) },
		Removed: func(s *session.Session, why sessions.Ending) {
			l.unsaved.Store(true)
			l.exchange.Removed(s, why)
		},
	})
	srv.sessions = l
}

// startSessions connects. The sessions end with ctx; background waits for that.
func (srv *Server) startSessions(ctx context.Context) error {
	return srv.startExchange(ctx)
}

// Granted implements callout.Sessions.
func (l *liveSessions) Granted(s *session.Session) {
	l.registry.Add(s)
	l.exchange.Granted(s)
}
