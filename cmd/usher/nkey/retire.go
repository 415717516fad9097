package nkey

import (
	"errors"
	"strings"
	"time"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/app/deployment"
)

func nkeyRetireCommand() *cli.Command {
	return &cli.Command{
		Name: "retire", Usage: "take a key that was replaced out of use for good",
		UsageText: "usher nkey retire -c FILE [--now] [--wait TIME] PUBLIC_KEY",
		Description: "Refuses while something depends on the key, and says what. --now is for a key\n" +
			"that others have got hold of: it is replaced if it is active, and taken away at\n" +
			"once; nats-server closes the connections whose user JWT it has signed.",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.BoolFlag{Name: "now", Usage: "whatever depends on it"},
			cmdutil.WithoutFlag(),
			&cli.DurationFlag{Name: "wait", Usage: "how long to wait for it to fall out of use, a `TIME` such as 10m", Value: 10 * time.Second},
		},
		Action: func(c *cli.Context) error {
			if err := cmdutil.Arguments(c, 1); err != nil {
				return err
			}
			return withLive(c, func(l *deployment.Deployment) error { return retire(c, l) })
		},
	}
}

func retire(c *cli.Context, l *deployment.Deployment) error {
	r, err := l.Rotator(cmdutil.ProgressTo(c), c.Duration("wait"), true)
	if err != nil {
		return err
	}
	r.IgnoredServers = c.StringSlice("without")
	blockers, err := r.Retire(c.Context, c.Args().First(), c.Bool("now"))
	if err != nil {
		return deployment.RotationError(l.Cfg, err)
	}
	if len(blockers) > 0 && !c.Bool("now") {
		return &fault.Error{
			Kind: fault.Denied, Err: errors.New("not retired: " + strings.Join(blockers, "; ")),
			Hint: "wait until that is over; --now takes the key away whatever depends on it",
		}
	}
	for _, b := range blockers {
		cmdutil.Say(c.App.ErrWriter, "note", "depended on the key: "+b)
	}
	if len(blockers) > 0 && l.Cfg.NATS.Mode == config.ModeConfig {
		cmdutil.Say(c.App.ErrWriter, "note", "NO CLIENT GETS IN at a server that still expects the key, until it is restarted with the lines above; and whoever has the key can let clients in there")
	}
	if c.Bool("now") {
		cmdutil.Say(c.App.ErrWriter, "note", "if others have the whole keyring directory, every key in it has to go, the xkey too: nats-server takes a sealed answer whoever signed it")
	}
	return nil
}
