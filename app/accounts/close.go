package accounts

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/jwt/v2"

	"usher/app/rotation"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// CloseOptions configure Close.
type CloseOptions struct {
	// Remove removes the project from the directory; nil: the directory does not have it.
	Remove func(context.Context) error
	// Project is the current name of the project, by which Closing finds an interrupted
	// call; empty: the name for which the account was created.
	Project string
	// Purge deletes the account's streams. Otherwise they stay on the servers' disks,
	// under the account's public key, where no client can reach them.
	Purge bool
}

// Close closes the account of a project: it refuses new clients, then ends the
// connections, then removes the account. ErrUnknown: there is no such account.
// ErrForeign: usher did not create it. If Remove fails, Close returns its error and the
// account stays open.
func (m *Manager) Close(ctx context.Context, name string, o CloseOptions) (issuer.Account, error) {
	if err := m.Rotator.Ready(ctx); err != nil {
		return issuer.Account{}, err
	}
	state, unlock, err := m.Rotator.Open()
	if err != nil {
		return issuer.Account{}, err
	}
	defer unlock()
	if err := m.may(); err != nil {
		return issuer.Account{}, err
	}
	a := accountOf(state, name)
	switch {
	case a == nil:
		return issuer.Account{}, fmt.Errorf("%w: %s", ErrUnknown, name)
	case a.Project == "":
		return issuer.Account{}, fmt.Errorf("%w: %s", ErrForeign, name)
	}
	account := *a
	if err := m.mark(ctx, state, a, &o); err != nil {
		return account, err
	}
	for _, step := range []struct {
		name Step
		do   func() error
	}{
		{StepRefuse, func() error { return m.refuse(ctx, state, account) }},
		{StepEnd, func() error { return m.end(ctx, account) }},
		{StepPurge, func() error { return m.purge(ctx, account, o.Purge) }},
		{StepForget, func() error { return m.retire(state, account) }},
	} {
		if err := ctx.Err(); err != nil {
			return account, fmt.Errorf("%s: %w", step.name, err)
		}
		if err := step.do(); err != nil {
			return account, fmt.Errorf("%s: %w", step.name, err)
		}
		m.progress(step.name, 1, 1)
	}
	return account, nil
}

// Closing returns the name of the account that was created for a project, or that a
// Close with this Project has begun to close; empty: there is none.
func Closing(accounts []issuer.Account, project string) string {
	for _, a := range accounts {
		if a.Project == project {
			return a.Name
		}
	}
	return ""
}

// mark records that the account is being closed, so that no usher signs for it any more,
// and then calls Remove. If Remove fails, it restores the state.
func (m *Manager) mark(ctx context.Context, state *keyring.State, a *issuer.Account, o *CloseOptions) error {
	before := *a
	if o.Project != "" {
		a.Project = o.Project
	}
	entries := map[string]keyring.Entry{} // as they were, by public key
	for i := range state.Keys {
		e := &state.Keys[i]
		if e.Account == a.Name && usable(e) {
			entries[e.PublicKey] = *e
			setState(e, issuer.StateRetiring, m.now())
		}
	}
	if err := m.Rotator.Save(state); err != nil {
		return err
	}
	if o.Remove == nil {
		return nil
	}
	err := o.Remove(ctx)
	if err == nil {
		return nil
	}
	*a = before
	for public := range entries {
		*state.Entry(public) = entries[public]
	}
	return errors.Join(err, m.Rotator.Save(state))
}

// refuse removes the account from the allowed accounts of the callout account. If the
// callout account allows every account, it shuts the account itself instead.
func (m *Manager) refuse(ctx context.Context, state *keyring.State, a issuer.Account) error {
	callout := accountOf(state, m.Rotator.Config.Callout)
	if callout == nil {
		return fmt.Errorf("the keyring does not know the callout account %s", m.Rotator.Config.Callout)
	}
	stillAllowed := false
	err := m.Rotator.Edit(ctx, *callout, func(c *jwt.AccountClaims) error {
		c.Authorization.AllowedAccounts.Remove(a.PublicKey)
		stillAllowed = operator.Allows(c, a.PublicKey)
		return nil
	})
	if err != nil || !stillAllowed {
		return err
	}
	return m.shut(ctx, a)
}

// closed reports whether an account allows no connections.
func closed(c *jwt.AccountClaims) bool { return c.Limits.Conn == 0 }

// shut pushes an account JWT that allows no connections; nats-server then closes the
// existing ones. It does not delete the JWT: a resolver that was unreachable would bring
// the old JWT back, but a newer JWT replaces an older one.
func (m *Manager) shut(ctx context.Context, a issuer.Account) error {
	err := m.Rotator.Edit(ctx, a, func(c *jwt.AccountClaims) error {
		if closed(c) {
			return nil
		}
		c.Limits.Conn, c.Limits.LeafNodeConn = 0, 0
		c.RevokeAt(jwt.All, m.Rotator.Now())
		for _, key := range c.SigningKeys.Keys() {
			operator.RemoveSigningKey(c, key)
		}
		return nil
	})
	var unknown *operator.UnknownError
	if errors.As(err, &unknown) {
		return nil // Open was interrupted before the push
	}
	return err
}

// end shuts the account, and waits until it has no connections.
func (m *Manager) end(ctx context.Context, a issuer.Account) error {
	if err := m.shut(ctx, a); err != nil {
		return err
	}
	return m.Rotator.WaitFor(ctx, "the connections to end", func(ctx context.Context) ([]string, error) {
		servers, err := m.Rotator.Servers(ctx)
		if err != nil {
			return nil, err
		}
		counts, err := m.Rotator.Operator.Cluster.Connections(ctx, a.PublicKey, servers)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, of := range counts {
			n += of
		}
		if n == 0 {
			return nil, nil
		}
		return []string{strconv.Itoa(n) + " in account " + a.Name}, nil
	})
}

func (m *Manager) purge(ctx context.Context, a issuer.Account, requested bool) error {
	if !requested {
		return nil
	}
	return m.Rotator.Operator.Cluster.Purge(ctx, a.PublicKey)
}

// retire retires the account's keys, and removes the account.
func (m *Manager) retire(state *keyring.State, a issuer.Account) error {
	if x := state.Rotation; x != nil && x.Account == a.Name {
		state.Rotation = nil // the rotation of a key that is retired now
	}
	for i := range state.Keys {
		if e := &state.Keys[i]; e.Account == a.Name && !e.Unlisted {
			setState(e, issuer.StateRetired, m.now())
		}
	}
	if err := m.Rotator.Save(state); err != nil {
		return err
	}
	return m.forget(state, a)
}

// Resumable reports whether the same call continues where it stopped with this error.
func Resumable(err error) bool {
	var wait *rotation.WaitError
	var push *operator.PushError
	return errors.As(err, &wait) || errors.As(err, &push) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
