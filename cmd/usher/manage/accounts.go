package manage

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"usher/app/accounts"
	"usher/app/config"
	"usher/app/deployment"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
)

// accountFlags returns the options of commands that create accounts on the machine that
// has the operator's key.
func accountFlags() []cli.Flag {
	return []cli.Flag{cmdutil.ConfigFlag(), cmdutil.WithoutFlag(), cmdutil.NoUsherFlag()}
}

// operatorConfig returns the configuration of -c if it is in operator mode, where usher can
// create accounts. It returns nil without -c or in config mode.
func operatorConfig(c *cli.Context) (*config.Config, error) {
	if !c.IsSet("config") {
		return nil, nil
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil || cfg.NATS.Mode != config.ModeOperator {
		return nil, err
	}
	return cfg, nil
}

// connectMaker returns an account maker that is connected to the servers of cfg.
func connectMaker(c *cli.Context, cfg *config.Config) (*deployment.AccountMaker, error) {
	d, err := deployment.Open(cfg)
	if err != nil {
		return nil, err
	}
	m, err := d.AccountMaker(cmdutil.ProgressPrinter(c))
	if err != nil {
		d.Close()
		return nil, err
	}
	m.Rotator.IgnoredServers, m.Rotator.NoUsher = c.StringSlice("without"), c.Bool("no-usher")
	return m, nil
}

// createAccounts creates the accounts of projects, and shows the progress.
func createAccounts(c *cli.Context, m *deployment.AccountMaker, projects []string) error {
	stop := cmdutil.ShowProgress(c, func() string {
		step, done, total := m.UnderWay()
		return fmt.Sprintf("accounts: %s, %d of %d", stepText(step), done, total)
	})
	_, err := m.Open(c.Context, projects)
	stop()
	return deployment.AccountError(m.Deployment.Cfg, err)
}

// stepText describes a step that is done, for the progress line.
func stepText(s accounts.Step) string {
	switch s {
	case accounts.StepPush:
		return "account JWTs pushed"
	case accounts.StepAllow:
		return "allowed in the callout account"
	case accounts.StepUse:
		return "activated"
	case accounts.StepKeys, accounts.StepRefuse, accounts.StepEnd, accounts.StepPurge, accounts.StepForget:
	}
	return "keys created"
}

// closeAccount closes an account, and notes the streams that stay.
func closeAccount(c *cli.Context, m *deployment.AccountMaker, name string, o accounts.CloseOptions) error {
	a, err := m.Close(c.Context, name, o)
	if err != nil {
		return deployment.AccountError(m.Deployment.Cfg, err)
	}
	if !o.Purge {
		cmdutil.Note(c.App.ErrWriter, "the streams of account "+a.Name+" stay on the servers' disks; to delete them, run nats server account purge "+a.PublicKey+" as a user of the system account")
	}
	return nil
}

// noteSharedAccount warns that projects in one account are not isolated.
func noteSharedAccount(c *cli.Context, account string) {
	cmdutil.Note(c.App.ErrWriter, "projects in one account are not isolated from each other; docs/explanation/isolation.md lists what members of other projects in "+account+" can do")
}

// cliContext returns the CLI context of r with another context.Context.
func cliContext(ctx context.Context, r *remote.Session) *cli.Context {
	c := *r.CLI
	c.Context = ctx
	return &c
}
