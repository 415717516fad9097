package nkey

import (
	"usher/app/checkup"
	"usher/app/checkup/finding"
	"usher/app/deployment"
	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

func nkeyVerifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "say what each live server expects, and whether the keyring has it",
		UsageText: "usher nkey verify -c FILE [--json]",
		Flags:     []cli.Flag{cmdutil.ConfigFlag(), &cli.BoolFlag{Name: "json", Usage: "print findings as JSON"}},
		Action: func(c *cli.Context) error {
			if err := cmdutil.Arguments(c, 0); err != nil {
				return err
			}
			return withLive(c, func(l *deployment.Deployment) error {
				var f finding.List
				if err := checkup.CheckKeys(c.Context, &f, l); err != nil {
					return deployment.RotationError(l.Cfg, err)
				}
				return cmdutil.PrintFindings(c, f)
			})
		},
	}
}
