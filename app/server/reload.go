package server

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// catchHangup takes over SIGHUP, which would end the process.
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

// hangup reads keyring and directory again and reopens the audit file.
func (srv *Server) hangup() {
	ctx := context.Background()
	if err := srv.Parts.Keyring.Reload(); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "reload failed, the last good keyring stays", slog.String("error", err.Error()))
	} else {
		srv.log.LogAttrs(ctx, slog.LevelInfo, "keyring read again on SIGHUP")
	}
	if err := srv.Parts.Store.Reload(); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "reload failed, the last good directory stays", slog.String("error", err.Error()))
	} else {
		srv.log.LogAttrs(ctx, slog.LevelInfo, "directory read again on SIGHUP")
	}
	if err := srv.audit.Reopen(); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "reopen of the audit file failed, the old one stays", slog.String("error", err.Error()))
	}
}
