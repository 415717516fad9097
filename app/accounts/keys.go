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

// seedFile returns the name of the seed files of a project's account: of its identity
// key in operator.dir, and of its signing key in the keyring. The name is fixed, so that
// a second call finds the seeds of an interrupted one.
func seedFile(project string) string { return "project-" + project + keyring.SeedSuffix }

// keys creates the keys of new accounts, and records them in keyring.yaml.
func (m *Manager) keys(ctx context.Context, state *keyring.State, projects []string) ([]target, error) {
	for _, name := range projects {
		if err := m.checkName(state, name); err != nil {
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
		m.progress(StepKeys, i, len(projects))
	}
	if err := m.Rotator.Save(state); err != nil {
		return nil, err
	}
	m.progress(StepKeys, len(projects), len(projects))
	return targets, nil
}

// indexOf returns the accounts by name, and for each account the indexes of its unscoped
// signing keys in state.Keys.
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

// forgetClosed removes accounts that an interrupted Close has left in the keyring: all
// their keys are retired. A new project with such a name must not get the old account.
func (m *Manager) forgetClosed(state *keyring.State, projects []string) error {
	known, entries := indexOf(state)
	var closed []issuer.Account
	for _, name := range projects {
		a, exists := known[name]
		if exists && !slices.ContainsFunc(entries[name], func(i int) bool { return state.Keys[i].State != issuer.StateRetired }) {
			closed = append(closed, a)
		}
	}
	for _, a := range closed {
		if err := m.forget(state, a); err != nil {
			return err
		}
	}
	return nil
}

// target returns the account of a project from the keyring, or creates its keys.
func (m *Manager) target(state *keyring.State, project string, known map[string]issuer.Account, entries map[string][]int) (*target, error) {
	a, exists := known[project]
	t := &target{Account: a, known: exists}
	// A rotation may have left other keys beside the active one. Without an active key
	// the account is being created (next) or closed (retiring).
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
	identity, existed, err := m.createKey(m.dir().IdentityDir(), project, keyring.Config{})
	if err != nil {
		return nil, err
	}
	key, _, err := m.createKey(m.Rotator.Dir, project, m.Rotator.Config)
	if err != nil {
		return nil, err
	}
	t.Account, t.key, t.known = issuer.Account{Name: project, PublicKey: identity, Project: project}, key, existed
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

// createKey creates an account key in a directory, or returns the one that an
// interrupted call has created.
func (m *Manager) createKey(dir, project string, cfg keyring.Config) (public string, existed bool, err error) {
	file := seedFile(project)
	if public, err = m.seed(dir, file); !errors.Is(err, fs.ErrNotExist) {
		return public, true, err
	}
	kp, err := nkeys.CreateAccount()
	if err != nil {
		return "", false, fmt.Errorf("create key: %w", err)
	}
	defer kp.Wipe()
	seed, err := kp.Seed()
	if err != nil {
		return "", false, fmt.Errorf("create key: %w", err)
	}
	defer clear(seed)
	if public, err = kp.PublicKey(); err != nil {
		return "", false, fmt.Errorf("create key: %w", err)
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
		return fmt.Errorf("create directory for keys: %w", err)
	}
	return nil
}

// forget removes a closed account from the keyring, and moves its files away. Its keys
// are already retired, so the keyring stays valid if this is interrupted.
func (m *Manager) forget(state *keyring.State, a issuer.Account) error {
	for i := range state.Keys {
		e := &state.Keys[i]
		if e.Account != a.Name || e.Unlisted {
			continue
		}
		if err := keyring.RetireSeed(m.Rotator.Dir, e.File); err != nil {
			return err
		}
	}
	if err := m.dir().CloseAccount(a.Name, a.PublicKey); err != nil {
		return err
	}
	if err := keyring.RetireSeed(m.dir().IdentityDir(), seedFile(a.Name)); err != nil {
		return err
	}
	state.Keys = slices.DeleteFunc(state.Keys, func(e keyring.Entry) bool { return e.Account == a.Name && !e.Unlisted })
	state.Accounts = slices.DeleteFunc(state.Accounts, func(x issuer.Account) bool { return x.Name == a.Name })
	return m.Rotator.Save(state)
}
