package server

import (
	"context"
	"log/slog"
	"slices"

	"usher/app/config"
	"usher/app/logger"
	"usher/app/reload"
)

// watchConfiguration prepares the reload of usher.yaml.
func (srv *Server) watchConfiguration() (err error) {
	if srv.cfg.File() == nil {
		return nil
	}
	srv.configuration, err = reload.New(reload.Config{Running: srv.cfg, Log: srv.log, Apply: srv.use, OnReload: srv.onConfigurationReload})
	return err
}

// followConfiguration reloads usher.yaml when it changes.
func (srv *Server) followConfiguration(ctx context.Context) {
	if srv.configuration == nil {
		return
	}
	if err := srv.configuration.Run(ctx); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "cannot watch usher.yaml for changes; SIGHUP still reloads it",
			slog.String("error", err.Error()))
	}
}

// use puts what takes effect at a reload into force.
func (srv *Server) use(cfg *config.Config) error {
	if err := srv.Parts.Use(cfg); err != nil {
		return err
	}
	if err := logger.SetLevel(srv.logLevel, &cfg.Log); err != nil {
		return err
	}
	if e := srv.sessions.revoking.engine; e != nil {
		e.SetOnGain(onGain(&cfg.Revocation))
	}
	srv.tracers.choose(&cfg.Tracing)
	srv.service.LimitFailures(float64(cfg.Callout.Failures.PerHost), float64(cfg.Callout.Failures.PerCredential))
	return nil
}

// onConfigurationReload is called after each reload of usher.yaml.
func (srv *Server) onConfigurationReload(e reload.Event) {
	srv.identityReloads.count(e.Err == nil)
	if e.Identities || slices.Contains(e.Changed, "accounts.mqtt_client_ids") {
		srv.logDirectoryProblems()
		srv.announce()
		srv.sessions.everythingChanged()
	}
}

// configurationRestart returns 1 if usher.yaml has changes that need a restart.
func (srv *Server) configurationRestart() float64 {
	return oneIf(srv.configuration != nil && len(srv.configuration.NeedsRestart()) > 0)
}
