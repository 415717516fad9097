package nkey

import (
	"usher/app/checkup"
	"usher/app/checkup/finding"
	"usher/app/deployment"
	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "check that the keyring has the keys that each live server expects",
		UsageText: "usher nkey verify -c FILE [--json]",
		Flags:     []cli.Flag{cmdutil.ConfigFlag(), &cli.BoolFlag{Name: "json", Usage: "print findings as JSON"}},
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 0); err != nil {
				return err
			}
			return withDeployment(c, func(d *deployment.Deployment) error {
				var f finding.List
				if err := checkup.CheckKeys(c.Context, &f, d); err != nil {
					return deployment.RotationError(d.Cfg, err)
				}
				return cmdutil.PrintFindings(c, f)
			})
		},
	}
}
