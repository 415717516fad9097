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

// CloseOptions say how an account is closed.
type CloseOptions struct {
	// Remove takes the project out of the directory; nil: it is not in it.
	Remove func(context.Context) error
	// Project is what the project is called now, so that an interrupted call is found
	// again by that name; empty: as when the account was made.
	Project string
	// Purge deletes the account's streams. Without it they stay on the servers' disks,
	// under the account's public key, where nobody reaches them.
	Purge bool
}

// Close closes the account of a project: first nobody gets in any more, then the
// connections end, and at last it is forgotten. ErrUnknown: there is no such account.
// ErrForeign: it was made by somebody else, who has to close it. If Remove refuses,
// the account stays as it was, and the error is what Remove said.
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
		m.tell(step.name, 1, 1)
	}
	return account, nil
}

// Closing returns the name of the account that was made for a project, or that a
// Close of this project has begun to close; empty: there is none.
func Closing(accounts []issuer.Account, project string) string {
	for _, a := range accounts {
		if a.Project == project {
			return a.Name
		}
	}
	return ""
}

// mark writes down that the account is being closed, so that no usher signs for it any
// more, and has the project removed. A refusal takes the mark back.
func (m *Manager) mark(ctx context.Context, state *keyring.State, a *issuer.Account, o *CloseOptions) error {
	before := *a
	if o.Project != "" {
		a.Project = o.Project
	}
	was := map[string]keyring.Entry{}
	for i := range state.Keys {
		e := &state.Keys[i]
		if e.Account == a.Name && usable(e) {
			was[e.PublicKey] = *e
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
	for public := range was {
		*state.Entry(public) = was[public]
	}
	return errors.Join(err, m.Rotator.Save(state))
}

// refuse takes the account out of those that usher may place clients in. Where the
// callout account allows all, closing the account itself has to do.
func (m *Manager) refuse(ctx context.Context, state *keyring.State, a issuer.Account) error {
	callout := accountOf(state, m.Rotator.Config.Callout)
	if callout == nil {
		return fmt.Errorf("the keyring does not know the callout account %s", m.Rotator.Config.Callout)
	}
	still := false
	err := m.Rotator.Edit(ctx, *callout, func(c *jwt.AccountClaims) error {
		c.Authorization.AllowedAccounts.Remove(a.PublicKey)
		still = operator.Allows(c, a.PublicKey)
		return nil
	})
	if err != nil || !still {
		return err
	}
	return m.shut(ctx, a)
}

// closed reports whether an account lets nobody in.
func closed(c *jwt.AccountClaims) bool { return c.Limits.Conn == 0 }

// shut pushes an account JWT that lets nobody in: nats-server closes what is open when
// it takes it. It is not deleted: a resolver that was away would bring the old one
// back, where one that is newer wins.
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
		return nil // it has never got so far
	}
	return err
}

// end closes the account, and waits until no connection is left in it.
func (m *Manager) end(ctx context.Context, a issuer.Account) error {
	if err := m.shut(ctx, a); err != nil {
		return err
	}
	return m.Rotator.Until(ctx, "the connections to end", func(ctx context.Context) ([]string, error) {
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

func (m *Manager) purge(ctx context.Context, a issuer.Account, wanted bool) error {
	if !wanted {
		return nil
	}
	return m.Rotator.Operator.Cluster.Purge(ctx, a.PublicKey)
}

// retire takes the account's keys out of use for good, and forgets it.
func (m *Manager) retire(state *keyring.State, a issuer.Account) error {
	if x := state.Rotation; x != nil && x.Account == a.Name {
		state.Rotation = nil // of a key that goes now
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

// Unfinished reports an error after which the same call goes on where it stopped.
func Unfinished(err error) bool {
	var wait *rotation.WaitError
	var push *operator.PushError
	return errors.As(err, &wait) || errors.As(err, &push) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
