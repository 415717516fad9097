package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"usher/app/assembly"
	"usher/app/natsconn"
	"usher/app/sessions/exchange"
	"usher/app/sessions/statefile"
	"usher/callout/session"
	"usher/internal/fault"
	"usher/internal/metrics"
	"usher/internal/ownedfile"
	"usher/internal/secret"
	"usher/issuer/sharedkey"
)

// saveEvery is how often the live sessions are written to sessions.state_file.
const saveEvery = 30 * time.Second

// prepareExchange makes the exchange with the other replicas, and reads the sessions that
// were kept over a restart.
func (srv *Server) prepareExchange() error {
	opts, err := natsconn.ServiceOptions(srv.cfg)
	if err != nil {
		return fault.InConfig(err)
	}
	l, instance := srv.sessions, srv.service.Report().Instance
	srv.prepareRefusals(instance)
	l.exchange, err = exchange.New(exchange.Config{
		URLs: natsconn.URLs(srv.cfg), Options: opts, Account: assembly.ServerAccount(srv.cfg, srv.Parts.Keyring.Keyring()),
		Registry: l.registry, Instance: instance, Keys: sharedkey.New(srv.Parts.Keyring.Keyring, "sessions", srv.Parts.Now), Contested: l.contested, Now: srv.Parts.Now, Log: srv.log,
	})
	if err != nil {
		return err
	}
	l.exchange.Loaded(srv.loadSessions())
	return nil
}

// loadSessions adds the sessions of sessions.state_file to the registry, and returns them. A
// file that cannot be read is no obstacle.
func (srv *Server) loadSessions() []*session.Session {
	path := srv.cfg.Sessions.StateFile
	if path == "" {
		return nil
	}
	all, err := statefile.Read(path, srv.Parts.Now())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		srv.log.Warn("the live sessions of before the restart are not known", slog.String("file", path), slog.String("error", err.Error()),
			slog.String("hint", "usher ignores the file and replaces it"))
		return nil
	}
	for _, s := range all {
		srv.sessions.registry.Add(s)
	}
	srv.log.Info("live sessions of before the restart", slog.Int("sessions", len(all)))
	return all
}

// saveSessions writes sessions.state_file if a session has changed since the last time.
func (srv *Server) saveSessions() {
	path := srv.cfg.Sessions.StateFile
	if path == "" || !srv.sessions.unsaved.Swap(false) {
		return
	}
	err := ownedfile.MakeFolder(filepath.Dir(path))
	if err == nil {
		err = statefile.Write(path, srv.sessions.registry.All)
	}
	if err != nil {
		srv.sessions.unsaved.Store(true)
		srv.log.Warn("cannot keep the live sessions for the next start", slog.String("file", path), slog.String("error", err.Error()))
	}
}

// startExchange connects to the other replicas. It ends with ctx.
func (srv *Server) startExchange(ctx context.Context) error {
	l := srv.sessions
	srv.announce()
	if err := l.exchange.Start(); err != nil {
		return err
	}
	if err := srv.serveControl(); err != nil {
		return err
	}
	if err := l.startRefusals(ctx); err != nil {
		return err
	}
	l.background.Go(func() {
		tick := time.NewTicker(saveEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				srv.saveSessions()
			case <-ctx.Done():
				l.exchange.Stop()
				srv.saveSessions()
				return
			}
		}
	})
	return nil
}

// announce tells the other replicas by which directory and which rules of identities this
// one decides.
func (srv *Server) announce() { srv.sessions.exchange.Announce(srv.decidesBy()) }

// decidesBy returns by what this replica decides.
func (srv *Server) decidesBy() exchange.State {
	s := exchange.State{Directory: srv.Parts.Store.Digest()}
	binary.BigEndian.PutUint64(s.Identities[:], srv.Parts.Ruleset().Digest)
	if snap := srv.Parts.Store.Snapshot(); snap != nil {
		s.Revision = snap.Latest()
	}
	return s
}

// exchanging returns nil if this replica has the sessions of the others, or does not wait
// for them any more.
func (l *liveSessions) exchanging() error {
	select {
	case <-l.exchange.Complete():
		return nil
	default:
		return errors.New("the live sessions of the other replicas are not known yet")
	}
}

// exchangeDetail returns a line of readiness if sessions are not shared. Requests are decided
// all the same.
func (srv *Server) exchangeDetail() string {
	if !srv.started.Load() {
		return ""
	}
	switch s := srv.sessions.exchange.Status(); {
	case s.Account != nil:
		return fmt.Sprintf("sessions: not shared with other replicas: %s\n", secret.RedactDetected(s.Account.Error()))
	case !s.Connected:
		return "sessions: not shared with other replicas: not connected\n"
	case !s.Collected, s.Missing > 0:
		return "sessions: not all of the other replicas are known\n"
	default:
		return ""
	}
}

// exchangeStates are the metrics of the exchange.
func (srv *Server) exchangeStates() []metrics.State {
	return exchange.Metrics(func() (s exchange.Status, ok bool) {
		if !srv.started.Load() {
			return s, false
		}
		return srv.sessions.exchange.Status(), true
	})
}
