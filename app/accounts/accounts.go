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

// Errors after which nothing has changed.
var (
	ErrTaken   = errors.New("an account with this name exists and was not created for this project")
	ErrForeign = errors.New("the account was not created for a project")
	ErrUnknown = errors.New("the keyring has no such account")
)

// Step is one step of Open or Close.
type Step string

// The steps of Open, in order.
const (
	StepKeys  Step = "keys"  // the keys exist, and keyring.yaml has them in state next
	StepPush  Step = "push"  // every server has the account JWT
	StepAllow Step = "allow" // every server allows usher to place clients in the account
	StepUse   Step = "use"   // every usher signs for the account
)

// The steps of Close, in order.
const (
	StepRefuse Step = "refuse" // no new client: the project is removed, and no server allows usher to place clients in the account
	StepEnd    Step = "end"    // the account JWT allows no connections, and none is left
	StepPurge  Step = "purge"  // its streams are deleted, if requested
	StepForget Step = "forget" // the account is removed from the keyring and from operator.dir
)

// OpenSteps lists the steps of Open, in order.
func OpenSteps() []Step { return []Step{StepKeys, StepPush, StepAllow, StepUse} }

// CloseSteps lists the steps of Close, in order.
func CloseSteps() []Step { return []Step{StepRefuse, StepEnd, StepPurge, StepForget} }

// Manager creates and closes accounts. It is not safe for concurrent use. It locks the
// keyring directory against other processes.
type Manager struct {
	// Rotator has the keyring and the operator's key, and reaches servers and ushers.
	Rotator *rotation.Rotator
	// Template returns the claims of a new account.
	Template func(name, public string) (*jwt.AccountClaims, error)
	// Progress receives the number of accounts for which a step is completed; may be nil.
	Progress func(s Step, done, total int)
	// May reports whether the caller still has the right to make the change; nil: always.
	// Its error ends the call and is returned. Open calls it when the keyring is locked,
	// and again before it signs each JWT. Close calls it once, before it changes anything;
	// after that Remove decides. It is never called concurrently.
	May func() error

	mayMu sync.Mutex // serialises May
}

func (m *Manager) may() error {
	if m.May == nil {
		return nil
	}
	m.mayMu.Lock()
	defer m.mayMu.Unlock()
	return m.May()
}

func (m *Manager) progress(s Step, done, total int) {
	if m.Progress != nil {
		m.Progress(s, done, total)
	}
}

func (m *Manager) dir() operator.Dir { return m.Rotator.Operator.Dir }

// Own reports whether usher created an account for a project. Other projects may have
// been added to it since.
func Own(accounts []issuer.Account, name string) bool {
	return slices.ContainsFunc(accounts, func(a issuer.Account) bool { return a.Name == name && a.Project != "" })
}

// Made returns the accounts that usher created for projects, and whether each is being
// closed: it has neither an active nor a next key.
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

// usable reports whether a key is in use or will be.
func usable(e *keyring.Entry) bool {
	return !e.Unlisted && (e.State == issuer.StateActive || e.State == issuer.StateNext)
}

// target is an account that Open creates.
type target struct {
	issuer.Account
	key    string // public key of its signing key
	known  bool   // servers may already have its JWT
	active bool   // it is complete
}

// Open creates an account for each of these projects, with the name of the project, and
// waits until every server and every usher has it. It completes an account that an
// earlier call has begun, and reopens an account that is being closed. ErrTaken: another
// account has that name.
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
	incomplete := slices.DeleteFunc(slices.Clone(targets), func(t target) bool { return t.active })
	for _, step := range []struct {
		name Step
		do   func(context.Context, *keyring.State, []target) error
	}{{StepPush, m.push}, {StepAllow, m.allow}, {StepUse, m.use}} {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
		if err := step.do(ctx, state, incomplete); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
		m.progress(step.name, len(projects), len(projects))
	}
	// Check the complete accounts, too: an earlier call may have ended before every usher
	// had loaded their keys.
	if err := m.Rotator.WaitForKeys(ctx, keysOf(targets), issuer.StateActive); err != nil {
		return nil, fmt.Errorf("%s: %w", StepUse, err)
	}
	created := make([]issuer.Account, len(targets))
	for i := range targets {
		created[i] = targets[i].Account
	}
	return created, nil
}

func keysOf(targets []target) []string {
	keys := make([]string, len(targets))
	for i := range targets {
		keys[i] = targets[i].key
	}
	return keys
}

// Check reports what Open would refuse, and changes nothing: ErrTaken, and invalid
// project names. It returns the projects whose accounts exist.
func (m *Manager) Check(projects []string) (existing []string, err error) {
	state, err := keyring.ReadState(m.Rotator.Dir, m.Rotator.Config)
	if err != nil {
		return nil, err
	}
	for _, name := range projects {
		if a := accountOf(state, name); a != nil {
			existing = append(existing, name)
		}
		if err := m.checkName(state, name); err != nil {
			return nil, err
		}
	}
	return existing, nil
}

// checkName reports why a project cannot have an account with its name.
func (m *Manager) checkName(state *keyring.State, project string) error {
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
	// An account that is not in the keyring may exist in operator.dir.
	claims, _, err := m.dir().Account(project)
	if err != nil {
		return nil //nolint:nilerr // it does not exist
	}
	if identity, err := m.seed(m.dir().IdentityDir(), seedFile(project)); err == nil && identity == claims.Subject {
		return nil // an interrupted call has created it
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
