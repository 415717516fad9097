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

// accountFlags are those of the verbs that make accounts where the operator's key is.
func accountFlags() []cli.Flag {
	return []cli.Flag{cmdutil.ConfigFlag(), cmdutil.WithoutFlag(), cmdutil.NoUsherFlag()}
}

// makerConfig returns the configuration of -c if accounts are made with it: in operator
// mode. nil: they are not.
func makerConfig(c *cli.Context) (*config.Config, error) {
	if !c.IsSet("config") {
		return nil, nil
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil || cfg.NATS.Mode != config.ModeOperator {
		return nil, err
	}
	return cfg, nil
}

// openMaker connects to the servers of a configuration.
func openMaker(c *cli.Context, cfg *config.Config) (*deployment.AccountMaker, error) {
	l, err := deployment.Open(cfg)
	if err != nil {
		return nil, err
	}
	m, err := l.AccountMaker(cmdutil.ProgressTo(c))
	if err != nil {
		l.Close()
		return nil, err
	}
	m.Rotator.IgnoredServers, m.Rotator.NoUsher = c.StringSlice("without"), c.Bool("no-usher")
	return m, nil
}

// openAccounts makes accounts, and shows how far it is.
func openAccounts(c *cli.Context, m *deployment.AccountMaker, projects []string) error {
	stop := cmdutil.ShowProgress(c, func() string {
		step, done, total := m.UnderWay()
		return fmt.Sprintf("accounts: %s, %d of %d", stepText(step), done, total)
	})
	_, err := m.Open(c.Context, projects)
	stop()
	return deployment.AccountError(m.Deployment.Cfg, err)
}

// stepText says for people what a step does.
func stepText(s accounts.Step) string {
	switch s {
	case accounts.StepPush:
		return "account JWTs given to the servers"
	case accounts.StepAllow:
		return "allowed in the callout account"
	case accounts.StepUse:
		return "in use"
	case accounts.StepKeys, accounts.StepRefuse, accounts.StepEnd, accounts.StepPurge, accounts.StepForget:
	}
	return "keys made"
}

// closeAccount closes the account of a project.
func closeAccount(c *cli.Context, m *deployment.AccountMaker, name string, o accounts.CloseOptions) error {
	a, err := m.Close(c.Context, name, o)
	if err != nil {
		return deployment.AccountError(m.Deployment.Cfg, err)
	}
	if !o.Purge {
		cmdutil.Say(c.App.ErrWriter, "note", "what the streams of account "+a.Name+" hold stays on the servers' disks; nats server account purge "+a.PublicKey+", as a user of the system account, deletes it")
	}
	return nil
}

// tellShared says what it means to put a project into an account that others may be in.
func tellShared(c *cli.Context, account string) {
	cmdutil.Say(c.App.ErrWriter, "note", "projects in one account are not walled off from each other: docs/explanation/isolation.md says what members of other projects in "+account+" can do")
}

// contextOf returns the context of a command that speaks to the API.
func contextOf(ctx context.Context, r *remote.Remote) *cli.Context {
	c := *r.CLI
	c.Context = ctx
	return &c
}
