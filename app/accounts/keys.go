package accounts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nkeys"

	"usher/internal/ownedfile"
	"usher/issuer"
	"usher/issuer/keyring"
)

// seedFile is the name of the seed files of a project's account: the identity in
// operator.dir, the signing key in the keyring. An interrupted call finds them again.
func seedFile(project string) string { return "project-" + project + keyring.SeedSuffix }

// keys makes the keys of accounts that are not there yet, and writes them down.
func (m *Manager) keys(ctx context.Context, state *keyring.State, projects []string) ([]target, error) {
	for _, name := range projects {
		if err := m.free(state, name); err != nil {
			return nil, err
		}
	}
	if err := makeDir(m.dir().IdentityDir()); err != nil {
		return nil, err
	}
	if err := m.forgetClosed(state, projects); err != nil {
		return nil, err
	}
	targets := make([]target, 0, len(projects))
	known, entries := indexOf(state)
	for i, name := range projects {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, err := m.target(state, name, known, entries)
		if err != nil {
			return nil, err
		}
		targets = append(targets, *t)
		m.tell(StepKeys, i, len(projects))
	}
	if err := m.Rotator.Save(state); err != nil {
		return nil, err
	}
	m.tell(StepKeys, len(projects), len(projects))
	return targets, nil
}

// indexOf finds accounts by name, and the signing keys of accounts without a scope.
func indexOf(state *keyring.State) (known map[string]issuer.Account, entries map[string][]int) {
	known, entries = map[string]issuer.Account{}, map[string][]int{}
	for _, a := range state.Accounts {
		known[a.Name] = a
	}
	for i := range state.Keys {
		if e := &state.Keys[i]; e.Kind == issuer.KindSigning && e.Scope == "" && !e.Unlisted {
			entries[e.Account] = append(entries[e.Account], i)
		}
	}
	return known, entries
}

// forgetClosed forgets those of the accounts that are closed and were not forgotten
// because a call was interrupted: their keys are retired. A project that gets such a
// name has nothing to do with the one that had it.
func (m *Manager) forgetClosed(state *keyring.State, projects []string) error {
	known, entries := indexOf(state)
	var gone []issuer.Account
	for _, name := range projects {
		a, there := known[name]
		if there && !slices.ContainsFunc(entries[name], func(i int) bool { return state.Keys[i].State != issuer.StateRetired }) {
			gone = append(gone, a)
		}
	}
	for _, a := range gone {
		if err := m.forget(state, a); err != nil {
			return err
		}
	}
	return nil
}

// target finds the account of a project in the keyring, or makes its keys.
func (m *Manager) target(state *keyring.State, project string, known map[string]issuer.Account, entries map[string][]int) (*target, error) {
	a, there := known[project]
	t := &target{Account: a, known: there}
	// Beside an active key there may be others of a rotation. With none, the account is
	// being made (next), or was being closed (retiring).
	for _, want := range []issuer.KeyState{issuer.StateActive, issuer.StateNext, issuer.StateRetiring} {
		for _, i := range entries[project] {
			e := &state.Keys[i]
			if e.State != want {
				continue
			}
			if t.key, t.active = e.PublicKey, want == issuer.StateActive; !t.active {
				setState(e, issuer.StateNext, m.now())
			}
			return t, nil
		}
	}
	identity, was, err := m.make(m.dir().IdentityDir(), project, keyring.Config{})
	if err != nil {
		return nil, err
	}
	key, _, err := m.make(m.Rotator.Dir, project, m.Rotator.Config)
	if err != nil {
		return nil, err
	}
	t.Account, t.key, t.known = issuer.Account{Name: project, PublicKey: identity, Project: project}, key, was
	state.Accounts = append(state.Accounts, t.Account)
	state.Keys = append(state.Keys, keyring.Entry{
		PublicKey: key, Kind: issuer.KindSigning, Account: project, File: seedFile(project), State: issuer.StateNext, Since: m.now(),
	})
	return t, nil
}

func (m *Manager) now() time.Time { return m.Rotator.Now().UTC().Truncate(time.Second) }

func setState(e *keyring.Entry, state issuer.KeyState, at time.Time) {
	if e.State != state {
		e.State, e.Since = state, at
	}
}

// make makes an account key in a directory, or takes the one that an interrupted call
// has left there.
func (m *Manager) make(dir, project string, cfg keyring.Config) (public string, was bool, err error) {
	file := seedFile(project)
	if public, err = m.seed(dir, file); !errors.Is(err, fs.ErrNotExist) {
		return public, true, err
	}
	kp, err := nkeys.CreateAccount()
	if err != nil {
		return "", false, fmt.Errorf("make key: %w", err)
	}
	defer kp.Wipe()
	seed, err := kp.Seed()
	if err != nil {
		return "", false, fmt.Errorf("make key: %w", err)
	}
	defer clear(seed)
	if public, err = kp.PublicKey(); err != nil {
		return "", false, fmt.Errorf("make key: %w", err)
	}
	return public, false, keyring.WriteSeed(filepath.Join(dir, file), seed, cfg)
}

// seed returns the public key of an account seed in a directory.
func (m *Manager) seed(dir, file string) (string, error) {
	path := filepath.Join(dir, file)
	seed, _, err := keyring.ReadSeed(path, m.Rotator.Config.AllowGroup)
	if err != nil {
		return "", err
	}
	defer clear(seed)
	kp, err := nkeys.FromSeed(seed)
	if err != nil {
		return "", fmt.Errorf("%s: not a seed: %w", path, err)
	}
	defer kp.Wipe()
	public, err := kp.PublicKey()
	if err != nil || nkeys.Prefix(public) != nkeys.PrefixByteAccount {
		return "", fmt.Errorf("%s: not the seed of an account (SA…)", path)
	}
	return public, nil
}

func makeDir(path string) error {
	if err := ownedfile.MakeFolder(path); err != nil {
		return fmt.Errorf("make directory for keys: %w", err)
	}
	return nil
}

// forget takes an account that is closed out of the keyring, and puts its files aside.
// Its keys are retired already, so that the keyring stays good whenever this ends.
func (m *Manager) forget(state *keyring.State, a issuer.Account) error {
	for i := range state.Keys {
		e := &state.Keys[i]
		if e.Account != a.Name || e.Unlisted {
			continue
		}
		if err := keyring.Retire(m.Rotator.Dir, e.File); err != nil {
			return err
		}
	}
	if err := m.dir().CloseAccount(a.Name, a.PublicKey); err != nil {
		return err
	}
	if err := keyring.Retire(m.dir().IdentityDir(), seedFile(a.Name)); err != nil {
		return err
	}
	state.Keys = slices.DeleteFunc(state.Keys, func(e keyring.Entry) bool { return e.Account == a.Name && !e.Unlisted })
	state.Accounts = slices.DeleteFunc(state.Accounts, func(x issuer.Account) bool { return x.Name == a.Name })
	return m.Rotator.Save(state)
}
