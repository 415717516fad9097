package server

import (
	"context"
	"log/slog"
	"slices"

	"usher/app/config"
	"usher/app/sessions"
	"usher/app/sessions/revocation"
	"usher/callout/session"
	"usher/directory/kv"
	"usher/internal/audit"
	"usher/internal/metrics"
)

// revoking closes the sessions that lose something. Without an engine nobody is closed: the
// next connect is decided by the new state.
type revoking struct {
	engine *revocation.Engine   // nil: revocation.when is next_connect, or there is no system user
	jwts   *revocation.UserJWTs // nil: revocation.jwt is false
}

// prepareRevocation makes what closes sessions.
func (srv *Server) prepareRevocation() revoking {
	var r revoking
	cfg := &srv.cfg.Revocation
	if cfg.When != config.RevokeImmediately || !srv.cfg.Sessions.Configured() {
		return r
	}
	engine := revocation.Config{
		Decider: srv.Parts.Decider, Snapshot: srv.Parts.Store.Snapshot, Replicas: replicas{srv}, Kicker: srv.sessions.servers,
		OnGain: onGain(cfg), Closed: srv.auditRevoked, Log: srv.log, Now: srv.Parts.Now,
	}
	if cfg.JWT {
		r.jwts = srv.userJWTs()
		engine.Revoke = r.jwts.Revoke
	}
	r.engine = revocation.New(engine)
	return r
}

func onGain(cfg *config.SessionRevocation) revocation.OnGain {
	return revocation.OnGain{Reconnect: cfg.OnGain == config.OnGainReconnect, Rate: cfg.Rate}
}

// startRevocation closes sessions until ctx ends, or says why nobody does.
func (srv *Server) startRevocation(ctx context.Context) {
	l := srv.sessions
	if l.revoking.engine == nil {
		if srv.cfg.Revocation.When == config.RevokeImmediately {
			srv.log.LogAttrs(ctx, slog.LevelInfo, "sessions that lose something stay open until their user JWT expires",
				slog.String("reason", "revocation.when is immediate, but there is no user of the system account for sessions"),
				slog.String("hint", "set sessions.user and sessions.password_file, sessions.nkey_file or sessions.creds_file, see docs/how-to/system-user.md; or set revocation.when: next_connect"))
		}
		return
	}
	l.background.Go(func() { l.revoking.engine.Run(ctx, l.registry) })
	if l.revoking.jwts != nil {
		l.background.Go(func() { l.revoking.jwts.Run(ctx) })
	}
}

// replicas implements revocation.Replicas.
type replicas struct{ srv *Server }

// InForce implements revocation.Replicas.
func (r replicas) InForce(ctx context.Context) (late []string) {
	return r.srv.sessions.exchange.InForce(ctx, r.srv.decidesBy())
}

// Mine implements revocation.Replicas.
func (r replicas) Mine(id session.ID) bool { return r.srv.sessions.exchange.Mine(id) }

// Live implements revocation.Replicas.
func (r replicas) Live() int { return len(r.srv.sessions.exchange.Status().Replicas) + 1 }

// directoryChanged is called after each change of a bucket, once it is announced.
func (srv *Server) directoryChanged(c *kv.Changed) {
	l := srv.sessions
	now := srv.Parts.Store.Snapshot()
	before := l.changedAt.Swap(now)
	switch {
	case l.revoking.engine == nil:
		return
	case c.Loaded || c.Everybody || before == nil || now == nil:
		l.revoking.engine.ChangedAll()
		return
	}
	names := make([]string, 0, len(c.Users))
	for _, id := range c.Users {
		was, had := before.UserByID(id)
		if had {
			names = append(names, was.Name)
		}
		is, has := now.UserByID(id)
		if has && !slices.Contains(names, is.Name) {
			names = append(names, is.Name)
		}
		if !had && !has {
			l.revoking.engine.ChangedAll()
			return
		}
	}
	l.revoking.engine.Changed(names...)
}

// everythingChanged is called after a change of which nobody knows whom it concerns: a reload
// of a directory file, or of identities and profiles.
func (l *liveSessions) everythingChanged() {
	if l.revoking.engine != nil {
		l.revoking.engine.ChangedAll()
	}
}

// contested closes a connection of which nobody knows what was granted last.
func (l *liveSessions) contested(c *sessions.Contest) {
	if l.revoking.engine != nil {
		l.revoking.engine.Contested(c)
	}
}

// auditRevoked writes the audit event of a session that this replica has closed.
func (srv *Server) auditRevoked(c revocation.Closing) {
	e := c.Session.Closed(srv.Parts.Now(), audit.ClosedCode(c.Cause))
	e.Cause = c.What
	srv.audit.WriteSessionClosed(e)
}

// revocationStates are the metrics of closing sessions; none if nobody is closed.
func (l *liveSessions) revocationStates() []metrics.State {
	e := l.revoking.engine
	if e == nil {
		return nil
	}
	return []metrics.State{
		{
			Name: "usher_sessions_revoked_total", Counter: true, Labels: []string{"cause"},
			Help: "Sessions that this usher has closed: the grant has lost something (lost) or gained something (gained), nobody knew which of two grants it had (contested), or the code of why the credential is no longer good.",
			Read: func() []metrics.Sample {
				var all []metrics.Sample
				for cause, n := range e.Status().Closed {
					all = append(all, metrics.Sample{Labels: []string{cause}, Value: float64(n)})
				}
				return all
			},
		},
		{
			Name: "usher_sessions_waiting", Help: "Sessions that are to be closed, by this usher or another one.",
			Read: func() []metrics.Sample { return sample(float64(e.Status().Waiting)) },
		},
		{
			Name: "usher_sessions_undecided", Help: "Sessions about which nothing can be decided, such as those of a user with an entry that cannot be read. They stay open.",
			Read: func() []metrics.Sample { return sample(float64(e.Status().Undecided)) },
		},
		{
			Name: "usher_sessions_unreachable", Help: "Sessions that this usher could not close yet. It keeps trying.",
			Read: func() []metrics.Sample { return sample(float64(len(e.Status().Unreachable))) },
		},
	}
}
