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

func retireCommand() *cli.Command {
	return &cli.Command{
		Name: "retire", Usage: "retire a replaced key for good",
		UsageText: "usher nkey retire -c FILE [--now] [--wait TIME] PUBLIC_KEY",
		Description: "Refuses while something depends on the key, and lists what. Use --now for a\n" +
			"compromised key: it replaces the key if it is active, and retires it at once;\n" +
			"nats-server closes the connections whose user JWT the key signed.",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.BoolFlag{Name: "now", Usage: "retire it even if something depends on it"},
			cmdutil.WithoutFlag(),
			&cli.DurationFlag{Name: "wait", Usage: "`TIME` to wait until nothing uses the key, such as 10m", Value: 10 * time.Second},
		},
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 1); err != nil {
				return err
			}
			return withDeployment(c, func(d *deployment.Deployment) error { return retire(c, d) })
		},
	}
}

func retire(c *cli.Context, d *deployment.Deployment) error {
	r, err := d.Rotator(cmdutil.ProgressPrinter(c), c.Duration("wait"), true)
	if err != nil {
		return err
	}
	r.IgnoredServers = c.StringSlice("without")
	blockers, err := r.Retire(c.Context, c.Args().First(), c.Bool("now"))
	if err != nil {
		return deployment.RotationError(d.Cfg, err)
	}
	if len(blockers) > 0 && !c.Bool("now") {
		return &fault.Error{
			Kind: fault.Denied, Err: errors.New("not retired: " + strings.Join(blockers, "; ")),
			Hint: "wait until nothing depends on it, or retire it anyway with --now",
		}
	}
	for _, b := range blockers {
		cmdutil.Note(c.App.ErrWriter, "this depended on the key: "+b)
	}
	if len(blockers) > 0 && d.Cfg.NATS.Mode == config.ModeConfig {
		cmdutil.Note(c.App.ErrWriter, "A SERVER THAT STILL EXPECTS THE KEY DENIES ALL CLIENTS until you restart it with the lines above; until then, anyone with the key can authorize clients there")
	}
	if c.Bool("now") {
		cmdutil.Note(c.App.ErrWriter, "if the whole keyring directory is compromised, replace every key in it, the xkey too: nats-server accepts a sealed response whatever key signed it")
	}
	return nil
}
