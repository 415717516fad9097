package nkey

import (
	"usher/app/deployment"
	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

// withLive does what needs the running ushers and the servers, for a verb.
func withLive(c *cli.Context, do func(l *deployment.Deployment) error) error {
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	l, err := deployment.Open(cfg)
	if err != nil {
		return err
	}
	defer l.Close()
	return do(l)
}
