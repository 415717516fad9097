// Package push is the command "usher push": the push server, and what all push servers do.
package push

import (
	"errors"

	"github.com/urfave/cli/v2"

	"usher/app/logger"
	"usher/app/push/service"
	"usher/app/systemd"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/fault"
)

// Command returns "usher push".
func Command() *cli.Command {
	c := remote.Group("push", "push the messages of subscriptions to their endpoints", statusCommand())
	c.UsageText = "usher push -c FILE\nusher push status [--project P | --all] [--json]"
	c.Description = "Without a command it pushes until SIGTERM or Ctrl-C. Then pushes in progress may end,\n" +
		"and other workers take the subscriptions. SIGHUP reloads keyring and directory, and reopens\n" +
		"the audit file. Start as many as you like: they share the subscriptions, and take over\n" +
		"within 10 seconds when one dies. It needs the configuration of usher serve. If\n" +
		"push.inside is set, usher serve pushes by itself."
	c.Flags = []cli.Flag{
		cmdutil.ConfigFlag(),
		&cli.StringFlag{Name: "http-listen", Usage: "`HOST:PORT` for metrics and probes, instead of http.listen"},
	}
	c.Action = run
	return c
}

func run(c *cli.Context) error {
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	if address := c.String("http-listen"); address != "" {
		cfg.HTTP.Listen = address
	}
	log, _, err := logger.New(&cfg.Log, c.App.ErrWriter)
	if err != nil {
		return fault.InConfig(err)
	}
	p, err := service.Open(cfg, log, c.App.ErrWriter)
	if err != nil {
		return err
	}
	notifier := systemd.New(p.Ready)
	p.AroundReload = notifier.Reload
	stop, err := notifier.Start(c.Context)
	if err != nil {
		return errors.Join(err, p.Close())
	}
	defer stop()
	return p.Run(c.Context)
}
