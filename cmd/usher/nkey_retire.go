package main

import (
	"errors"
	"strings"
	"time"
	"usher/internal/fault"

	"github.com/urfave/cli/v2"

	"usher/app/config"
)

func nkeyRetireCommand() *cli.Command {
	return &cli.Command{
		Name: "retire", Usage: "take a key that was replaced out of use for good",
		UsageText: "usher nkey retire -c FILE [--now] [--wait TIME] PUBLIC_KEY",
		Description: "Refuses while something depends on the key, and says what. --now is for a key\n" +
			"that others have got hold of: it is replaced if it is active, and taken away at\n" +
			"once; nats-server closes the connections whose user JWT it has signed.",
		Flags: []cli.Flag{
			configFlag(),
			&cli.BoolFlag{Name: "now", Usage: "whatever depends on it"},
			withoutFlag(),
			&cli.DurationFlag{Name: "wait", Usage: "how long to wait for it to fall out of use, a `TIME` such as 10m", Value: 10 * time.Second},
		},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			return withLive(c, func(l *live) error { return retire(c, l) })
		},
	}
}

func retire(c *cli.Context, l *live) error {
	r, err := l.rotator(sayTo(c), c.Duration("wait"), true)
	if err != nil {
		return err
	}
	r.Without = c.StringSlice("without")
	blockers, err := r.Retire(c.Context, c.Args().First(), c.Bool("now"))
	if err != nil {
		return rotationError(l.cfg, err)
	}
	if len(blockers) > 0 && !c.Bool("now") {
		return &fault.Error{
			Kind: fault.Denied, Err: errors.New("not retired: " + strings.Join(blockers, "; ")),
			Hint: "wait until that is over; --now takes the key away whatever depends on it",
		}
	}
	for _, b := range blockers {
		say(c.App.ErrWriter, "note", "depended on the key: "+b)
	}
	if len(blockers) > 0 && l.cfg.NATS.Mode == config.ModeConfig {
		say(c.App.ErrWriter, "note", "NO CLIENT GETS IN at a server that still expects the key, until it is restarted with the lines above; and whoever has the key can let clients in there")
	}
	if c.Bool("now") {
		say(c.App.ErrWriter, "note", "if others have the whole keyring directory, every key in it has to go, the xkey too: nats-server takes a sealed answer whoever signed it")
	}
	return nil
}
