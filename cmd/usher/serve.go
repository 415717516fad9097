package main

import (
	"usher/app/server"
	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:      "serve",
		Usage:     "answer a nats-server's authorization requests",
		UsageText: "usher serve -c FILE",
		Description: "Runs until SIGTERM or Ctrl-C; then leaves the queue group, finishes what was\n" +
			"taken, and ends. SIGHUP reads keyring and directory again and reopens the audit\nfile; a change of either is noticed without it.",
		Flags: []cli.Flag{cmdutil.ConfigFlag()},
		Action: func(c *cli.Context) error {
			if err := cmdutil.Arguments(c, 0); err != nil {
				return err
			}
			cfg, err := cmdutil.LoadConfig(c)
			if err != nil {
				return err
			}
			in, err := server.New(cfg, c.App.ErrWriter)
			if err != nil {
				return err
			}
			return in.Run(c.Context)
		},
	}
}
