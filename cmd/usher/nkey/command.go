package nkey

import (
	"usher/app/deployment"

	"github.com/urfave/cli/v2"

	"usher/cmd/usher/cmdutil"
)

// Command returns "usher nkey".
func Command() *cli.Command {
	return &cli.Command{
		Name:  "nkey",
		Usage: "create, list and rotate the keys of usher and the servers",
		Subcommands: []*cli.Command{
			newCommand(), listCommand(), statusCommand(),
			rotateCommand(), retireCommand(), verifyCommand(), pushCommand(),
		},
	}
}

// withDeployment runs do with the running ushers and servers of the configuration.
func withDeployment(c *cli.Context, do func(d *deployment.Deployment) error) error {
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	d, err := deployment.Open(cfg)
	if err != nil {
		return err
	}
	defer d.Close()
	return do(d)
}
