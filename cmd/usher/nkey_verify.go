package main

import (
	"github.com/urfave/cli/v2"
)

func nkeyVerifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "say what each live server expects, and whether the keyring has it",
		UsageText: "usher nkey verify -c FILE [--json]",
		Flags:     []cli.Flag{configFlag(), &cli.BoolFlag{Name: "json", Usage: "print findings as JSON"}},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0); err != nil {
				return err
			}
			return withLive(c, func(l *live) error {
				var f findings
				if err := f.verify(c.Context, l); err != nil {
					return rotationError(l.cfg, err)
				}
				return printFindings(c, f)
			})
		},
	}
}
