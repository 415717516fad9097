package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/jwt/v2"

	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// edit is a change of the claims of an account.
type edit func(*jwt.AccountClaims) error

// addition adds a key to an account JWT that does not have it yet.
func addition(kind, scope, like, key string) edit {
	if kind == issuer.KindXKey {
		return func(c *jwt.AccountClaims) error {
			operator.SetXKey(c, key)
			return nil
		}
	}
	return func(c *jwt.AccountClaims) error { return operator.AddSigningKey(c, scope, like, key) }
}

// removal removes a signing key from an account JWT. It adds the active key if that is
// missing: without it no client could connect to the account.
func removal(s *keyring.State, e *keyring.Entry) edit {
	old, scope := e.PublicKey, e.Scope
	active := s.Active(issuer.KindSigning, issuer.Place{Account: e.Account, Scope: e.Scope})
	return func(c *jwt.AccountClaims) error {
		if active != nil && active.PublicKey != old {
			if err := operator.AddSigningKey(c, scope, old, active.PublicKey); err != nil {
				return err
			}
		}
		operator.RemoveSigningKey(c, old)
		return nil
	}
}

// accountJWT is the JWT of an account that servers use.
type accountJWT struct {
	claims *jwt.AccountClaims
	text   string
	agree  bool   // every server has it
	disk   string // the JWT on disk
}

// tries is how often an edit is attempted while somebody else pushes the same JWT.
const tries = 3

// ErrConcurrentPush: somebody else keeps pushing the same account JWT.
var ErrConcurrentPush = errors.New("somebody else is changing the account JWT")

// edit changes the JWT of an account, pushes it to every server, and writes it to disk.
// It is idempotent.
func (r *Rotator) edit(ctx context.Context, a issuer.Account, apply edit) error {
	for range tries {
		done, err := r.tryEdit(ctx, a, apply)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%w of %s", ErrConcurrentPush, a.Name)
}

func (r *Rotator) tryEdit(ctx context.Context, a issuer.Account, apply edit) (done bool, err error) {
	o := r.Operator
	before, servers, err := r.accountJWT(ctx, a)
	if err != nil {
		return false, err
	}
	next, diff, err := changed(before.claims, apply)
	if err != nil {
		return false, err
	}
	if len(diff) == 0 && before.agree {
		// A server does not use a stored JWT whose signer it does not trust. Such a JWT is
		// signed again below.
		err := o.Cluster.CheckTrust(ctx, before.claims.Issuer, servers)
		var untrusted *operator.TrustError
		switch {
		case err == nil && before.disk != before.text:
			return true, o.Dir.WriteAccount(a.Name, before.text)
		case err == nil:
			return true, nil
		case !errors.As(err, &untrusted):
			return false, err
		}
	}
	if err := o.Cluster.Ready(ctx, o.Dir, o.Signer, servers); err != nil {
		return false, err
	}
	// A resolver that missed a push takes the newest JWT later. Its time of issue has
	// whole seconds, so the new JWT must be at least one second newer.
	if err := r.sleepUntil(ctx, time.Unix(before.claims.IssuedAt+1, 0)); err != nil {
		return false, err
	}
	now, err := r.current(ctx, a, servers)
	if err != nil || now.text != before.text {
		return false, err
	}
	text, err := operator.Sign(next, o.Signer)
	if err != nil {
		return false, err
	}
	if err := o.Cluster.Push(ctx, a.PublicKey, text, servers); err != nil {
		return false, err
	}
	r.report("account %s: pushed to %s", a.Name, operator.Names(servers))
	return true, o.Dir.WriteAccount(a.Name, text)
}

// accountJWT returns the JWT of an account that the servers use, and those servers.
func (r *Rotator) accountJWT(ctx context.Context, a issuer.Account) (*accountJWT, []operator.Server, error) {
	servers, err := r.servers(ctx)
	if err != nil {
		return nil, nil, err
	}
	now, err := r.current(ctx, a, servers)
	return now, servers, err
}

// current returns the JWT of an account that these servers use. ErrUnpushed: the JWT on
// disk is newer. It has changes that a rotation must not push.
func (r *Rotator) current(ctx context.Context, a issuer.Account, servers []operator.Server) (*accountJWT, error) {
	var now accountJWT
	var err error
	now.claims, now.text, now.agree, err = r.Operator.Cluster.Newest(ctx, a.PublicKey, servers)
	if err != nil {
		return nil, err
	}
	disk, text, err := r.Operator.Dir.Account(a.Name)
	if err != nil {
		return &now, nil //nolint:nilerr // it need not be on disk; the next edit writes it
	}
	now.disk = text
	switch {
	case disk.Subject != a.PublicKey:
		return nil, fmt.Errorf("%s is the JWT of %s, the keyring says %s", r.Operator.Dir.AccountFile(a.Name), disk.Subject, a.PublicKey)
	case text != now.text && disk.IssuedAt >= now.claims.IssuedAt:
		return nil, fmt.Errorf("%w: %s", ErrUnpushed, r.Operator.Dir.AccountFile(a.Name))
	}
	return &now, nil
}

// sleepUntil waits until a time has come.
func (r *Rotator) sleepUntil(ctx context.Context, until time.Time) error {
	left := until.Sub(r.Now())
	if left <= 0 {
		return nil
	}
	if left > time.Minute {
		return errors.New("the account JWT that the servers use was issued in the future: synchronise the clocks")
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
