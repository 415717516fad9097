package main

import (
	"errors"

	"usher/app/server"
	"usher/app/systemd"
	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:      "serve",
		Usage:     "answer a nats-server's authorization requests",
		UsageText: "usher serve -c FILE",
		Description: "Runs until SIGTERM or Ctrl-C. Then it leaves the queue group, finishes the requests\n" +
			"in progress, and exits. SIGHUP reloads keyring and directory, and identities and\n" +
			"profiles of the configuration, and reopens the audit file. Changed files are also\n" +
			"reloaded without it.",
		Flags: []cli.Flag{cmdutil.ConfigFlag()},
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 0); err != nil {
				return err
			}
			cfg, err := cmdutil.LoadConfig(c)
			if err != nil {
				return err
			}
			s, err := server.New(cfg, c.App.ErrWriter)
			if err != nil {
				return err
			}
			notifier := systemd.New(s.Ready)
			s.AroundReload = notifier.Reload
			stop, err := notifier.Start(c.Context)
			if err != nil {
				return errors.Join(err, s.Close())
			}
			defer stop()
			return s.Run(c.Context)
		},
	}
}
