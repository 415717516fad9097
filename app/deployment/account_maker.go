package deployment

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"usher/app/accounts"
	"usher/app/assembly"
	"usher/app/config"
	"usher/app/rotation"
	"usher/internal/fault"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"

	"github.com/nats-io/jwt/v2"
)

// AccountMaker creates and closes accounts of projects. It needs the operator's key.
type AccountMaker struct {
	*accounts.Manager
	Deployment  *Deployment
	step        atomic.Value // of type accounts.Step
	done, total atomic.Int64
}

// AccountMaker returns an AccountMaker that uses these connections. report gets one line
// for each step.
func (d *Deployment) AccountMaker(report func(string)) (*AccountMaker, error) {
	r, err := d.Rotator(report, DefaultWait, true)
	if err != nil {
		return nil, err
	}
	m := &AccountMaker{Deployment: d}
	m.Manager = &accounts.Manager{Rotator: r, Template: accountTemplate(d.Cfg), Progress: func(s accounts.Step, done, total int) {
		m.step.Store(s)
		m.done.Store(int64(done))
		m.total.Store(int64(total))
	}}
	return m, nil
}

// accountTemplate returns the function that makes the initial claims of an account.
func accountTemplate(cfg *config.Config) func(name, public string) (*jwt.AccountClaims, error) {
	once := sync.OnceValues(func() ([]issuer.Account, error) { return Accounts(cfg) })
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

// Accounts returns the accounts of the keyring.
func Accounts(cfg *config.Config) ([]issuer.Account, error) {
	s, err := keyring.ReadState(cfg.Keyring.Dir, assembly.KeyringConfig(cfg))
	if err != nil {
		return nil, assembly.KeyringError(cfg, err)
	}
	return s.Accounts, nil
}

// AccountError adds a hint to an error of creating or closing an account.
func AccountError(cfg *config.Config, err error) error {
	var e *fault.Error
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.Is(err, accounts.ErrTaken):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "choose another project name, or use --account to put the project into an existing account"}
	case errors.Is(err, operator.ErrNoJetStream):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "no server has JetStream, so there is no data to delete: omit --purge"}
	case accounts.Resumable(err), errors.Is(err, keyring.ErrLocked), errors.Is(err, rotation.ErrConcurrentPush):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "nothing is lost: run the same command again to resume, or usher project rm -c FILE to undo an add. Every usher must be running with this keyring (usher serve); use --no-usher if none runs yet"}
	default:
		return RotationError(cfg, err)
	}
}

// End closes the connections.
func (m *AccountMaker) End() { m.Deployment.Close() }

// UnderWay returns the current step, and for how many of all accounts it is done.
func (m *AccountMaker) UnderWay() (step accounts.Step, done, total int64) {
	step, _ = m.step.Load().(accounts.Step)
	return step, m.done.Load(), m.total.Load()
}

// RotationError adds kind and hint to an error of a rotation. cfg may be nil.
func RotationError(cfg *config.Config, err error) error {
	e := &fault.Error{Kind: fault.Runtime, Err: err}
	var wait *rotation.WaitError
	var fewer *operator.MissingServersError
	switch {
	case operator.TrustHint(err) != "":
		e.Kind, e.Hint = fault.Config, operator.TrustHint(err)
	case errors.Is(err, rotation.ErrInProgress):
		e.Hint = "usher nkey rotate --resume continues it, --rollback undoes it"
	case errors.Is(err, rotation.ErrNoUsher):
		e.Hint = "start one with usher serve; if none is to run, use --no-usher"
	case errors.Is(err, keyring.ErrLocked):
		e.Hint = "wait until the other change is done; usher nkey list shows its progress"
	case errors.Is(err, rotation.ErrActive):
		e.Hint = "usher nkey rotate replaces it; add --now if the key is compromised, to retire it at once"
	case errors.Is(err, rotation.ErrAmbiguous):
		e.Hint = "keyring.yaml says the state of each key (docs/reference/keyring.md); set keys that are no longer in use to retiring"
	case errors.Is(err, rotation.ErrExternalKey):
		e.Hint = "put the new key into keyring.yaml, with its command and state: next (docs/how-to/rotate-keys.md); then rotate again"
	case errors.Is(err, rotation.ErrConcurrentEdit):
		e.Hint = "your change is kept; usher nkey rotate --resume continues the rotation"
	case errors.Is(err, rotation.ErrNoRollback):
		e.Hint = "usher nkey rotate --resume completes it; to go back, rotate again"
	case errors.Is(err, operator.ErrUnscoped):
		e.Hint = "the account JWT must contain the key with its scope and template: correct it with nsc or by hand, push it, then --resume"
	case errors.Is(err, context.Canceled):
		e.Hint = "what was begun is in keyring.yaml: usher nkey rotate --resume continues it, --rollback undoes it"
	case errors.As(err, &fewer):
		e.Hint = "a crashed server is counted for some minutes: wait, or name a server that will not return with --without"
	case errors.Is(err, rotation.ErrUnpushed):
		e.Hint = "run usher nkey push NAME first"
	case errors.As(err, &wait):
		e.Hint = "nothing is lost: usher nkey rotate --resume continues, --rollback undoes"
		if cfg != nil && cfg.NATS.Mode == config.ModeConfig && wait.For != "" {
			e.Hint = "change the lines above, restart the servers one after the other, then run usher nkey rotate --resume (or --rollback)"
		}
	}
	return e
}
