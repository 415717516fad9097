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
func (in *Server) hangup() {
	ctx := context.Background()
	if err := in.Parts.Keyring.Reload(); err != nil {
		in.log.LogAttrs(ctx, slog.LevelError, "reload failed, the last good keyring stays", slog.String("error", err.Error()))
	} else {
		in.log.LogAttrs(ctx, slog.LevelInfo, "keyring read again on SIGHUP")
	}
	if err := in.Parts.Store.Reload(); err != nil {
		in.log.LogAttrs(ctx, slog.LevelError, "reload failed, the last good directory stays", slog.String("error", err.Error()))
	} else {
		in.log.LogAttrs(ctx, slog.LevelInfo, "directory read again on SIGHUP")
	}
	if err := in.audit.Reopen(); err != nil {
		in.log.LogAttrs(ctx, slog.LevelError, "reopen of the audit file failed, the old one stays", slog.String("error", err.Error()))
	}
}
