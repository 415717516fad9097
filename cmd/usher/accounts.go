package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nats-io/jwt/v2"
	"github.com/urfave/cli/v2"

	"usher/app/accounts"
	"usher/app/config"
	"usher/app/rotation"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// accountFlags are those of the verbs that make accounts where the operator's key is.
func accountFlags() []cli.Flag {
	return []cli.Flag{configFlag(), withoutFlag(), noUsherFlag()}
}

// accountMaker makes accounts of projects where the operator's key is.
type accountMaker struct {
	*live
	*accounts.Manager
	step        atomic.Value // of type accounts.Step
	done, total atomic.Int64
}

// makerConfig returns the configuration of -c if accounts are made with it: in operator
// mode. nil: they are not.
func makerConfig(c *cli.Context) (*config.Config, error) {
	if !c.IsSet("config") {
		return nil, nil
	}
	cfg, err := loadConfig(c)
	if err != nil || cfg.NATS.Mode != config.ModeOperator {
		return nil, err
	}
	return cfg, nil
}

// openMaker connects to the servers of a configuration.
func openMaker(c *cli.Context, cfg *config.Config) (*accountMaker, error) {
	l, err := openLive(cfg)
	if err != nil {
		return nil, err
	}
	m, err := l.accountMaker(sayTo(c))
	if err != nil {
		l.close()
		return nil, err
	}
	m.Rotator.Without, m.Rotator.NoUsher = c.StringSlice("without"), c.Bool("no-usher")
	return m, nil
}

// accountMaker returns what makes accounts with these connections.
func (l *live) accountMaker(say func(string)) (*accountMaker, error) {
	r, err := l.rotator(say, defaultWait, true)
	if err != nil {
		return nil, err
	}
	m := &accountMaker{live: l}
	m.Manager = &accounts.Manager{Rotator: r, Template: accountTemplate(l.cfg), Progress: func(s accounts.Step, done, total int) {
		m.step.Store(s)
		m.done.Store(int64(done))
		m.total.Store(int64(total))
	}}
	return m, nil
}

// accountTemplate returns what accounts of projects begin with.
func accountTemplate(cfg *config.Config) func(name, public string) (*jwt.AccountClaims, error) {
	once := sync.OnceValues(func() ([]issuer.Account, error) { return knownAccounts(cfg) })
	return func(name, public string) (*jwt.AccountClaims, error) {
		known, err := once()
		if err != nil {
			return nil, err
		}
		return cfg.Operator.AccountTemplate.Claims(name, public, func(name string) (string, bool) {
			i := slices.IndexFunc(known, func(a issuer.Account) bool { return a.Name == name })
			if i < 0 {
				return "", false
			}
			return known[i].PublicKey, true
		})
	}
}

// knownAccounts returns the accounts of the keyring.
func knownAccounts(cfg *config.Config) ([]issuer.Account, error) {
	s, err := keyring.ReadState(cfg.Keyring.Dir, keyringConfig(cfg))
	if err != nil {
		return nil, keyringFault(cfg, err)
	}
	return s.Accounts, nil
}

// open makes accounts, and shows how far it is.
func (m *accountMaker) open(c *cli.Context, projects []string) error {
	stop := showProgress(c, func() string {
		step, _ := m.step.Load().(accounts.Step)
		return fmt.Sprintf("accounts: %s, %d of %d", stepText(step), m.done.Load(), m.total.Load())
	})
	_, err := m.Open(c.Context, projects)
	stop()
	return accountError(m.cfg, err)
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

// accountError gives a failure to make or to close an account its way out.
func accountError(cfg *config.Config, err error) error {
	var e *exitError
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.Is(err, accounts.ErrTaken):
		return &exitError{code: exitRuntime, err: err, hint: "give the project another name; --account puts it into an account that is there"}
	case errors.Is(err, operator.ErrNoJetStream):
		return &exitError{code: exitRuntime, err: err, hint: "where no server has JetStream there is no data: leave --purge out"}
	case accounts.Unfinished(err), errors.Is(err, keyring.ErrLocked), errors.Is(err, rotation.ErrOthers):
		return &exitError{code: exitRuntime, err: err, hint: "nothing is lost: the same command again goes on; usher project rm -c FILE undoes what add has begun. Every usher has to run and have the keyring: usher serve, or --no-usher where none runs yet"}
	default:
		return rotationError(cfg, err)
	}
}

// close closes the account of a project.
func (m *accountMaker) close(c *cli.Context, name string, o accounts.CloseOptions) error {
	a, err := m.Close(c.Context, name, o)
	if err != nil {
		return accountError(m.cfg, err)
	}
	if !o.Purge {
		say(c.App.ErrWriter, "note", "what the streams of account "+a.Name+" hold stays on the servers' disks; nats server account purge "+a.PublicKey+", as a user of the system account, deletes it")
	}
	return nil
}

// end closes the connections.
func (m *accountMaker) end() { m.live.close() }

// tellShared says what it means to put a project into an account that others may be in.
func tellShared(c *cli.Context, account string) {
	say(c.App.ErrWriter, "note", "projects in one account are not walled off from each other: docs/explanation/isolation.md says what members of other projects in "+account+" can do")
}

// contextOf returns the context of a command that speaks to the API.
func contextOf(ctx context.Context, r *remote) *cli.Context {
	c := *r.c
	c.Context = ctx
	return &c
}
