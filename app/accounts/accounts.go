package accounts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/nats-io/jwt/v2"

	"usher/app/rotation"
	"usher/directory"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// Refusals: nothing was changed.
var (
	ErrTaken   = errors.New("an account of this name is there already, and was not made for this project")
	ErrForeign = errors.New("the account was not made for a project")
	ErrUnknown = errors.New("the keyring knows no such account")
)

// Step is one step of Open or Close.
type Step string

// The steps of Open, in order.
const (
	StepKeys  Step = "keys"  // the keys are made, and keyring.yaml has them as next
	StepPush  Step = "push"  // every server has the account JWT
	StepAllow Step = "allow" // every server lets usher place clients in the account
	StepUse   Step = "use"   // every usher signs for the account
)

// The steps of Close, in order.
const (
	StepRefuse Step = "refuse" // nobody gets in: the project is gone, and no server lets usher place clients there
	StepEnd    Step = "end"    // the account JWT lets nobody in, and no connection is left
	StepPurge  Step = "purge"  // its streams are gone, if that was demanded
	StepForget Step = "forget" // neither keyring nor operator.dir has it any more
)

// OpenSteps lists the steps of Open, in order.
func OpenSteps() []Step { return []Step{StepKeys, StepPush, StepAllow, StepUse} }

// CloseSteps lists the steps of Close, in order.
func CloseSteps() []Step { return []Step{StepRefuse, StepEnd, StepPurge, StepForget} }

// Manager makes and closes accounts. It is not safe for concurrent use; the lock of
// the keyring directory keeps others away.
type Manager struct {
	// Rotator has the keyring, the operator's key, and ways to ask servers and ushers.
	Rotator *rotation.Rotator
	// Template returns the claims that a new account begins with.
	Template func(name, public string) (*jwt.AccountClaims, error)
	// Progress hears how many accounts a step has done; nil: nobody wants to know.
	Progress func(s Step, done, total int)
	// May is asked once the keyring is locked, and by Open again before each JWT that it
	// signs; nil: nobody has to be asked. An error of it ends the call, and is its error.
	// It is called by one at a time. Close asks it before anything is changed; after
	// that Remove decides, and a project that is removed has its account closed.
	May func() error

	asking sync.Mutex
}

func (m *Manager) may() error {
	if m.May == nil {
		return nil
	}
	m.asking.Lock()
	defer m.asking.Unlock()
	return m.May()
}

func (m *Manager) tell(s Step, done, total int) {
	if m.Progress != nil {
		m.Progress(s, done, total)
	}
}

func (m *Manager) dir() operator.Dir { return m.Rotator.Operator.Dir }

// Own reports whether an account was made for a project. More than one may be in it,
// if somebody has put them there.
func Own(accounts []issuer.Account, name string) bool {
	return slices.ContainsFunc(accounts, func(a issuer.Account) bool { return a.Name == name && a.Project != "" })
}

// Made returns the accounts that were made for projects, and whether each is being
// closed: no usher signs for it, and no key of it is on its way to that.
func Made(s *keyring.State) map[string]bool {
	closing := map[string]bool{}
	for _, a := range s.Accounts {
		if a.Project != "" {
			closing[a.Name] = true
		}
	}
	for i := range s.Keys {
		e := &s.Keys[i]
		if _, ok := closing[e.Account]; ok && usable(e) {
			closing[e.Account] = false
		}
	}
	return closing
}

// usable reports whether a key is in use, or is going to be.
func usable(e *keyring.Entry) bool {
	return !e.Unlisted && (e.State == issuer.StateActive || e.State == issuer.StateNext)
}

// target is an account on its way.
type target struct {
	issuer.Account
	key    string // public key of its signing key
	known  bool   // servers may have its JWT already
	active bool   // nothing is left to do
}

// Open gives each of these projects an account of its own, named as the project is,
// and waits until every server and every usher has it. An account that is there from
// an earlier call is completed; one that is being closed is opened again. ErrTaken:
// somebody else has made an account of that name.
func (m *Manager) Open(ctx context.Context, projects []string) ([]issuer.Account, error) {
	projects = slices.Compact(slices.Sorted(slices.Values(projects)))
	if len(projects) == 0 {
		return nil, nil
	}
	if err := m.Rotator.Ready(ctx); err != nil {
		return nil, err
	}
	state, unlock, err := m.Rotator.Open()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := m.may(); err != nil {
		return nil, err
	}
	targets, err := m.keys(ctx, state, projects)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", StepKeys, err)
	}
	fresh := slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return t.active })
	for _, step := range []struct {
		name Step
		do   func(context.Context, *keyring.State, []target) error
	}{{StepPush, m.push}, {StepAllow, m.allow}, {StepUse, m.use}} {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
		if err := step.do(ctx, state, fresh); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
		m.tell(step.name, len(projects), len(projects))
	}
	// Those that were active before, too: the last call may have ended before all had them.
	if err := m.Rotator.Held(ctx, keysOf(targets), issuer.StateActive); err != nil {
		return nil, fmt.Errorf("%s: %w", StepUse, err)
	}
	made := make([]issuer.Account, len(targets))
	for i := range targets {
		made[i] = targets[i].Account
	}
	return made, nil
}

func keysOf(targets []target) []string {
	keys := make([]string, len(targets))
	for i := range targets {
		keys[i] = targets[i].key
	}
	return keys
}

// Check reports what Open would refuse, without changing anything: ErrTaken, and names
// that no project has. Which of them are there already is returned.
func (m *Manager) Check(projects []string) (there []string, err error) {
	state, err := keyring.ReadState(m.Rotator.Dir, m.Rotator.Config)
	if err != nil {
		return nil, err
	}
	for _, name := range projects {
		if a := accountOf(state, name); a != nil {
			there = append(there, name)
		}
		if err := m.free(state, name); err != nil {
			return nil, err
		}
	}
	return there, nil
}

// free reports why a project cannot have an account of its name.
func (m *Manager) free(state *keyring.State, project string) error {
	if err := directory.CheckName(project); err != nil {
		return fmt.Errorf("project %w", err)
	}
	a := accountOf(state, project)
	switch {
	case a != nil && a.Project != project:
		return fmt.Errorf("%w: %s", ErrTaken, project)
	case a != nil:
		return nil
	}
	// Not in the keyring, and there all the same: an account that usher does not serve.
	claims, _, err := m.dir().Account(project)
	if err != nil {
		return nil //nolint:nilerr // there is none, as there should be
	}
	if identity, err := m.seed(m.dir().IdentityDir(), seedFile(project)); err == nil && identity == claims.Subject {
		return nil // what an interrupted call has left
	}
	return fmt.Errorf("%w: %s", ErrTaken, m.dir().AccountFile(project))
}

func accountOf(state *keyring.State, name string) *issuer.Account {
	for i := range state.Accounts {
		if state.Accounts[i].Name == name {
			return &state.Accounts[i]
		}
	}
	return nil
}
