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

// pushers is how many account JWTs are pushed concurrently.
const pushers = 8

// push pushes the JWTs of these accounts to every server.
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
	var mu sync.Mutex // for done and progress
	done := 0
	var workers sync.WaitGroup
	for range min(pushers, len(targets)) {
		workers.Go(func() {
			for t := range todo {
				if err := m.pushAccount(ctx, t, servers); err != nil {
					cancel(fmt.Errorf("account %s: %w", t.Name, err))
					continue
				}
				mu.Lock()
				done++
				if done < len(targets) {
					m.progress(StepPush, done, len(targets))
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
	workers.Wait()
	return context.Cause(ctx)
}

// pushAccount pushes the JWT of one account to every server. It completes the push of an
// earlier call, and reuses the JWT that an earlier call has signed and not pushed.
func (m *Manager) pushAccount(ctx context.Context, t *target, servers []operator.Server) error {
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

// signed returns the JWT of an account that no server has. It writes a new JWT to disk
// before the push.
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

// reopen changes the claims of an account so that clients can connect again after an
// interrupted Close. Revocations stay in place.
func (m *Manager) reopen(c *jwt.AccountClaims, t *target) error {
	if err := m.may(); err != nil {
		return err
	}
	if closed(c) {
		template, err := m.Template(t.Name, t.PublicKey)
		if err != nil {
			return err
		}
		c.Limits = template.Limits
	}
	return operator.AddSigningKey(c, "", "", t.key)
}

// allow adds these accounts to the allowed accounts of the callout account, in one
// change of its JWT.
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

// use activates the signing keys of these accounts.
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
