package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"usher/app/config"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:      "serve",
		Usage:     "answer a nats-server's authorization requests",
		UsageText: "usher serve -c FILE",
		Description: "Runs until SIGTERM or Ctrl-C; then leaves the queue group, finishes what was\n" +
			"taken, and ends. SIGHUP reads keyring and directory again and reopens the audit\nfile; a change of either is noticed without it.",
		Flags: []cli.Flag{configFlag()},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0); err != nil {
				return err
			}
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			in, err := newInstance(cfg, c.App.ErrWriter)
			if err != nil {
				return err
			}
			return in.run(c.Context)
		},
	}
}

func loadConfig(c *cli.Context) (*config.Config, error) {
	path, err := configPath(c)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return nil, configError(err)
	}
	return cfg, nil
}

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
func (in *instance) hangup() {
	ctx := context.Background()
	if err := in.parts.keyring.Reload(); err != nil {
		in.log.LogAttrs(ctx, slog.LevelError, "reload failed, the last good keyring stays", slog.String("error", err.Error()))
	} else {
		in.log.LogAttrs(ctx, slog.LevelInfo, "keyring read again on SIGHUP")
	}
	if err := in.parts.store.Reload(); err != nil {
		in.log.LogAttrs(ctx, slog.LevelError, "reload failed, the last good directory stays", slog.String("error", err.Error()))
	} else {
		in.log.LogAttrs(ctx, slog.LevelInfo, "directory read again on SIGHUP")
	}
	if in.auditFile != nil {
		if err := in.auditFile.Reopen(); err != nil {
			in.log.LogAttrs(ctx, slog.LevelError, "reopen of the audit file failed, the old one stays", slog.String("error", err.Error()))
		}
	}
}
