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

// AccountMaker makes accounts of projects where the operator's key is.
type AccountMaker struct {
	*accounts.Manager
	Deployment  *Deployment
	step        atomic.Value // of type accounts.Step
	done, total atomic.Int64
}

// AccountMaker returns what makes accounts with these connections.
func (d *Deployment) AccountMaker(say func(string)) (*AccountMaker, error) {
	r, err := d.Rotator(say, DefaultWait, true)
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

// accountTemplate returns what accounts of projects begin with.
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

// AccountError gives a failure to make or to close an account its way out.
func AccountError(cfg *config.Config, err error) error {
	var e *fault.Error
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.Is(err, accounts.ErrTaken):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "give the project another name; --account puts it into an account that is there"}
	case errors.Is(err, operator.ErrNoJetStream):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "where no server has JetStream there is no data: leave --purge out"}
	case accounts.Resumable(err), errors.Is(err, keyring.ErrLocked), errors.Is(err, rotation.ErrConcurrentPush):
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "nothing is lost: the same command again goes on; usher project rm -c FILE undoes what add has begun. Every usher has to run and have the keyring: usher serve, or --no-usher where none runs yet"}
	default:
		return RotationError(cfg, err)
	}
}

// End closes the connections.
func (m *AccountMaker) End() { m.Deployment.Close() }

// UnderWay returns the step under way, and how many of how many accounts are through it.
func (m *AccountMaker) UnderWay() (step accounts.Step, done, total int64) {
	step, _ = m.step.Load().(accounts.Step)
	return step, m.done.Load(), m.total.Load()
}

// RotationError gives a refusal its exit code and its way out.
func RotationError(cfg *config.Config, err error) error {
	e := &fault.Error{Kind: fault.Runtime, Err: err}
	var wait *rotation.WaitError
	var fewer *operator.MissingServersError
	switch {
	case operator.TrustHint(err) != "":
		e.Kind, e.Hint = fault.Config, operator.TrustHint(err)
	case errors.Is(err, rotation.ErrInProgress):
		e.Hint = "usher nkey rotate --resume goes on with it, --rollback undoes it"
	case errors.Is(err, rotation.ErrNoUsher):
		e.Hint = "start one with usher serve; if none is to run, use --no-usher"
	case errors.Is(err, keyring.ErrLocked):
		e.Hint = "wait until it is through; usher nkey list shows how far it is"
	case errors.Is(err, rotation.ErrActive):
		e.Hint = "usher nkey rotate replaces it; --now, for a key that others have got hold of, does both at once"
	case errors.Is(err, rotation.ErrAmbiguous):
		e.Hint = "keyring.yaml says the state of each key (docs/reference/keyring.md); set what is not in use any more to retiring"
	case errors.Is(err, rotation.ErrExternalKey):
		e.Hint = "put the new key into keyring.yaml, with its command and state: next (docs/how-to/rotate-keys.md); then rotate again"
	case errors.Is(err, rotation.ErrConcurrentEdit):
		e.Hint = "your change stands; usher nkey rotate --resume goes on with what was begun"
	case errors.Is(err, rotation.ErrNoRollback):
		e.Hint = "usher nkey rotate --resume brings it to its end; to go back, rotate again"
	case errors.Is(err, operator.ErrUnscoped):
		e.Hint = "the account JWT has to have the key with the scope and its template: put it right with nsc or by hand, push it, then --resume"
	case errors.Is(err, context.Canceled):
		e.Hint = "what was begun is in keyring.yaml: usher nkey rotate --resume goes on with it, --rollback undoes it"
	case errors.As(err, &fewer):
		e.Hint = "a server that has crashed is counted for some minutes; wait, or name one that is gone for good with --without"
	case errors.Is(err, rotation.ErrUnpushed):
		e.Hint = "usher nkey push NAME gives it to the servers first"
	case errors.As(err, &wait):
		e.Hint = "nothing is lost: usher nkey rotate --resume goes on, --rollback undoes it"
		if cfg != nil && cfg.NATS.Mode == config.ModeConfig && wait.For != "" {
			e.Hint = "change the lines above and restart the servers one after the other; then usher nkey rotate --resume (or --rollback)"
		}
	}
	return e
}
