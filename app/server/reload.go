package server

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"usher/app/control"
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

// reload reloads keyring, configuration and directory, and reopens the audit file. by is what has
// asked for it.
func (srv *Server) reload(by string) (answer *control.Reload) {
	srv.AroundReload(func() { answer = srv.readAgain(by) })
	return answer
}

func (srv *Server) readAgain(by string) *control.Reload {
	ctx, asked := context.Background(), slog.String("by", by)
	answer := &control.Reload{Instance: srv.service.Report().Instance, Host: hostName()}
	failed := func(err error) slog.Attr {
		answer.Errors = append(answer.Errors, err.Error())
		return slog.String("error", err.Error())
	}
	if err := srv.Parts.Keyring.Reload(); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "reload failed; the last good keyring stays in use", failed(err))
	} else {
		srv.log.LogAttrs(ctx, slog.LevelInfo, "reloaded the keyring", asked)
	}
	if srv.configuration != nil {
		e := srv.configuration.Reload() // logs by itself
		answer.File, answer.Changed, answer.Restart = srv.configuration.File(), e.Changed, e.Restart
		answer.Errors = append(answer.Errors, e.Faults()...)
	}
	if err := srv.Parts.Store.Reload(); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "reload failed; the last good directory stays in use", failed(err))
	} else {
		srv.log.LogAttrs(ctx, slog.LevelInfo, "reloaded the directory", asked)
	}
	if err := srv.audit.Reopen(); err != nil {
		srv.log.LogAttrs(ctx, slog.LevelError, "cannot reopen the audit file; the old one stays open", failed(err))
	}
	return answer
}
