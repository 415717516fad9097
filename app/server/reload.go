package server

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// catchHangup subscribes to SIGHUP, which would end the process otherwise.
func catchHangup() chan os.Signal {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	return hangup
}

// onHangup calls f for every SIGHUP until ctx ends.
func onHangup(ctx context.Context, hangup <-chan os.Signal, f func()) {
	for {
		select {
		case <-hangup:
			f()
		case <-ctx.Done():
			return
		}
	}
}

// reload reloads keyring, identities, profiles and directory, and reopens the audit file.
func (srv *Server) reload() {
	ctx := context.Background()
	if err := srv.Parts.Keyring.Reload(); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "reload failed; the last good keyring stays in use", slog.String("error", err.Error()))
	} else {
		srv.log.LogAttrs(ctx, slog.LevelInfo, "reloaded the keyring on SIGHUP")
	}
	if srv.configuration != nil {
		srv.configuration.Reload() // logs by itself
	}
	if err := srv.Parts.Store.Reload(); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "reload failed; the last good directory stays in use", slog.String("error", err.Error()))
	} else {
		srv.log.LogAttrs(ctx, slog.LevelInfo, "reloaded the directory on SIGHUP")
	}
	if err := srv.audit.Reopen(); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "cannot reopen the audit file; the old one stays open", slog.String("error", err.Error()))
	}
}
