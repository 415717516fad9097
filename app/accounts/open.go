package accounts

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/jwt/v2"

	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// pushers is how many account JWTs are on their way to the servers at once.
const pushers = 8

// push gives every server the JWTs of these accounts.
func (m *Manager) push(ctx context.Context, _ *keyring.State, targets []target) error {
	if len(targets) == 0 {
		return nil
	}
	servers, err := m.Rotator.Servers(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan *target)
	var mu sync.Mutex // of what hears of progress
	done := 0
	var working sync.WaitGroup
	for range min(pushers, len(targets)) {
		working.Go(func() {
			for t := range todo {
				if err := m.push1(ctx, t, servers); err != nil {
					cancel(fmt.Errorf("account %s: %w", t.Name, err))
					continue
				}
				mu.Lock()
				done++
				if done < len(targets) {
					m.tell(StepPush, done, len(targets))
				}
				mu.Unlock()
			}
		})
	}
	for i := range targets {
		select {
		case todo <- &targets[i]:
		case <-ctx.Done():
		}
	}
	close(todo)
	working.Wait()
	return context.Cause(ctx)
}

// push1 gives every server the JWT of one account. What an earlier call has pushed is
// completed, and what it has signed and not pushed is pushed now.
func (m *Manager) push1(ctx context.Context, t *target, servers []operator.Server) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.may(); err != nil {
		return err
	}
	if t.known {
		_, _, _, err := m.Rotator.Operator.Cluster.Newest(ctx, t.PublicKey, servers)
		var unknown *operator.UnknownError
		switch {
		case err == nil:
			return m.Rotator.Edit(ctx, t.Account, func(c *jwt.AccountClaims) error { return m.reopen(c, t) })
		case !errors.As(err, &unknown):
			return err
		}
	}
	text, err := m.signed(t)
	if err != nil {
		return err
	}
	return m.Rotator.Operator.Cluster.Push(ctx, t.PublicKey, text, servers)
}

// signed returns the JWT of an account that no server has yet, and keeps it on disk
// before anybody gets it.
func (m *Manager) signed(t *target) (string, error) {
	disk, text, err := m.dir().Account(t.Name)
	if err == nil && disk.Subject == t.PublicKey && disk.SigningKeys.Contains(t.key) {
		return text, nil
	}
	claims, err := m.Template(t.Name, t.PublicKey)
	if err != nil {
		return "", err
	}
	claims.SigningKeys.Add(t.key)
	if text, err = operator.Sign(claims, m.Rotator.Operator.Signer); err != nil {
		return "", err
	}
	return text, m.dir().WriteAccount(t.Name, text)
}

// reopen lets clients into an account again that was being closed, and gives it its
// signing key. Revocations stay: who was revoked once does not come back with it.
func (m *Manager) reopen(c *jwt.AccountClaims, t *target) error {
	if err := m.may(); err != nil {
		return err
	}
	if closed(c) {
		fresh, err := m.Template(t.Name, t.PublicKey)
		if err != nil {
			return err
		}
		c.Limits = fresh.Limits
	}
	return operator.AddSigningKey(c, "", "", t.key)
}

// allow lets usher place clients in these accounts: one change of the callout
// account's JWT, however many they are.
func (m *Manager) allow(ctx context.Context, state *keyring.State, targets []target) error {
	if len(targets) == 0 {
		return nil
	}
	callout := accountOf(state, m.Rotator.Config.Callout)
	if callout == nil {
		return fmt.Errorf("the keyring does not know the callout account %s", m.Rotator.Config.Callout)
	}
	return m.Rotator.Edit(ctx, *callout, func(c *jwt.AccountClaims) error {
		if err := m.may(); err != nil {
			return err
		}
		for i := range targets {
			if !operator.Allows(c, targets[i].PublicKey) {
				c.Authorization.AllowedAccounts.Add(targets[i].PublicKey)
			}
		}
		return nil
	})
}

// use lets ushers sign for these accounts.
func (m *Manager) use(_ context.Context, state *keyring.State, targets []target) error {
	if len(targets) == 0 {
		return nil
	}
	if err := m.may(); err != nil {
		return err
	}
	for i := range targets {
		setState(state.Entry(targets[i].key), issuer.StateActive, m.now())
	}
	return m.Rotator.Save(state)
}
