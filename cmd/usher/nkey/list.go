package nkey

import (
	"time"

	"github.com/urfave/cli/v2"

	"usher/cmd/usher/cmdutil"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the keys of the keyring",
		UsageText: "usher nkey list -c FILE [--all] [--json]",
		Flags:     []cli.Flag{cmdutil.ConfigFlag(), allFlag(), &cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 0); err != nil {
				return err
			}
			cfg, err := cmdutil.LoadConfig(c)
			if err != nil {
				return err
			}
			rows, state, err := keyringKeys(cfg, time.Now())
			if err != nil {
				return err
			}
			noteRotation(c, cfg.Keyring.Dir, state)
			return printKeys(c, rows, false)
		},
	}
}
