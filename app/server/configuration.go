package server

import (
	"context"
	"log/slog"

	"usher/app/reload"
)

// watchConfiguration prepares the reload of identities and profiles.
func (srv *Server) watchConfiguration() (err error) {
	if srv.cfg.File() == nil {
		return nil
	}
	srv.configuration, err = reload.New(reload.Config{Running: srv.cfg, Log: srv.log, Apply: srv.Parts.Use, OnReload: srv.onConfigurationReload})
	return err
}

// followConfiguration reloads identities and profiles when usher.yaml changes.
func (srv *Server) followConfiguration(ctx context.Context) {
	if srv.configuration == nil {
		return
	}
	if err := srv.configuration.Run(ctx); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "cannot watch usher.yaml for changes; SIGHUP still reloads it",
			slog.String("error", err.Error()))
	}
}

// onConfigurationReload is called after each reload of usher.yaml.
func (srv *Server) onConfigurationReload(e reload.Event) {
	srv.identityReloads.count(e.Err == nil)
	if e.Changed {
		srv.logDirectoryProblems()
		srv.announce()
		srv.sessions.everythingChanged()
	}
}

// configurationRestart returns 1 if usher.yaml has changes that need a restart.
func (srv *Server) configurationRestart() float64 {
	return oneIf(srv.configuration != nil && len(srv.configuration.NeedsRestart()) > 0)
}
