package server

import (
	"context"
	"sync"
	"sync/atomic"

	"usher/app/sessions"
	"usher/app/sessions/exchange"
	"usher/app/sessions/flapping"
	"usher/app/sessions/limits"
	"usher/app/sessions/refusals"
	"usher/app/sessions/servers"
	"usher/callout/session"
	"usher/directory/snapshot"
	"usher/internal/fault"
)

// liveSessions knows the live sessions, shares them with the other replicas and closes those
// that have lost something.
type liveSessions struct {
	registry   *sessions.Registry
	limits     *limits.Limits // nil: none
	servers    *servers.Servers
	exchange   *exchange.Exchange
	refusals   *refusals.Refusals
	unsaved    atomic.Bool    // a session has changed since the last time that all were written
	background sync.WaitGroup // ends with the context of startSessions
	revoking   revoking
	flapping   *flapping.Detector                // nil: off
	changedAt  atomic.Pointer[snapshot.Snapshot] // the bucket after its last change
}

// prepareSessions makes the parts that need no instance, and connects nothing.
func (srv *Server) prepareSessions() error {
	l := &liveSessions{}
	var err error
	if l.servers, err = srv.prepareServers(l.refused); err != nil {
		return err
	}
	srv.sessions = l
	l.revoking = srv.prepareRevocation()
	often := &srv.cfg.Sessions.Flapping
	l.flapping = flapping.New(flapping.Config{
		Connects: often.Connects, Within: often.Within, BanFor: often.BanFor, By: often.By, Except: often.Except,
		Snapshot: srv.Parts.Store.Snapshot, Change: srv.changeBans, Log: srv.log, Now: srv.Parts.Now,
	})
	srv.audit.Observe(l.flapping.Decided)
	var counts sessions.Observer
	l.limits, counts = srv.prepareLimits(l)
	observers := []sessions.Observer{l.servers.Observer(), counts, l.flapping.Observer(), {
		Added: func(*session.Session) { l.unsaved.Store(true) },
		Removed: func(s *session.Session, why sessions.Ending) {
			l.unsaved.Store(true)
			l.exchange.Removed(s, why)
			l.refusals.Removed(s)
		},
	}}
	if l.revoking.engine != nil {
		observers = append(observers, l.revoking.engine.Observer())
	}
	l.registry = sessions.New(observers...)
	return nil
}

// startSessions connects. The sessions end with ctx; background waits for that.
func (srv *Server) startSessions(ctx context.Context) error {
	l := srv.sessions
	if err := l.servers.Start(l.registry); err != nil {
		return &fault.Error{Kind: fault.Config, Err: err}
	}
	context.AfterFunc(ctx, l.servers.Stop)
	if err := srv.startExchange(ctx); err != nil {
		return err
	}
	srv.startRevocation(ctx)
	l.background.Go(func() { l.flapping.Run(ctx) })
	return nil
}

// Granted implements callout.Sessions.
func (l *liveSessions) Granted(s *session.Session) {
	added, contest := l.registry.AddGranted(s)
	if contest != nil {
		l.contested(contest)
	}
	if added || contest != nil { // else it has been followed by another one
		l.exchange.Granted(s)
	}
	l.refusals.Granted(s)
	l.flapping.Granted(s)
}

// Find implements callout.Sessions.
func (l *liveSessions) Find(id session.ID) (*session.Session, bool) { return l.registry.Find(id) }
