// Package push is the command "usher push".
package push

import (
	"github.com/urfave/cli/v2"

	"usher/app/push/service"
	"usher/app/server"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
)

// Command returns "usher push".
func Command() *cli.Command {
	return &cli.Command{
		Name:      "push",
		Usage:     "push the messages of subscriptions to their endpoints",
		UsageText: "usher push -c FILE",
		Description: "Runs until SIGTERM or Ctrl-C. Then pushes in progress may end, and other workers\n" +
			"take the subscriptions. Start as many as you like: they share the subscriptions,\n" +
			"and take over within 10 seconds when one dies. It needs the configuration of usher\n" +
			"serve. If push.inside is set, usher serve pushes by itself.",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.StringFlag{Name: "http-listen", Usage: "`HOST:PORT` for metrics and probes, instead of http.listen"},
		},
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 0); err != nil {
				return err
			}
			cfg, err := cmdutil.LoadConfig(c)
			if err != nil {
				return err
			}
			if address := c.String("http-listen"); address != "" {
				cfg.HTTP.Listen = address
			}
			log, err := server.NewLogger(&cfg.Log, c.App.ErrWriter)
			if err != nil {
				return fault.InConfig(err)
			}
			p, err := service.Open(cfg, log, c.App.ErrWriter)
			if err != nil {
				return err
			}
			return p.Run(c.Context)
		},
	}
}
