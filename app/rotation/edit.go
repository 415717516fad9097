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

// edit changes the claims of an account.
type edit func(*jwt.AccountClaims) error

// change is what puts a key into an account JWT. That it is there is no change.
func change(kind, scope, like, key string) edit {
	if kind == issuer.KindXKey {
		return func(c *jwt.AccountClaims) error {
			operator.SetXKey(c, key)
			return nil
		}
	}
	return func(c *jwt.AccountClaims) error { return operator.AddSigningKey(c, scope, like, key) }
}

// removal takes a signing key out of an account JWT, and leaves in it what takes its
// place: an account without that would let nobody in.
func removal(s *keyring.State, e *keyring.Entry) edit {
	gone, scope := e.PublicKey, e.Scope
	active := s.Active(issuer.KindSigning, issuer.Place{Account: e.Account, Scope: e.Scope})
	return func(c *jwt.AccountClaims) error {
		if active != nil && active.PublicKey != gone {
			if err := operator.AddSigningKey(c, scope, gone, active.PublicKey); err != nil {
				return err
			}
		}
		operator.RemoveSigningKey(c, gone)
		return nil
	}
}

// inForce is an account JWT that servers go by.
type inForce struct {
	claims *jwt.AccountClaims
	text   string
	agree  bool // every server has it
	disk   string
}

// tries is how often an edit is begun anew because somebody else has pushed
// meanwhile.
const tries = 3

// ErrOthers: somebody else pushes the same account JWT all the time.
var ErrOthers = errors.New("somebody else is changing the account JWT")

// edit changes the JWT of an account, gives it to every server, and keeps it on disk.
// What has been done before it was interrupted is done no second time.
func (r *Rotator) edit(ctx context.Context, a issuer.Account, apply edit) error {
	for range tries {
		done, err := r.tryEdit(ctx, a, apply)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%w of %s", ErrOthers, a.Name)
}

func (r *Rotator) tryEdit(ctx context.Context, a issuer.Account, apply edit) (done bool, err error) {
	o := r.Operator
	before, servers, err := r.look(ctx, a)
	if err != nil {
		return false, err
	}
	next, diff, err := changed(before.claims, apply)
	if err != nil {
		return false, err
	}
	if len(diff) == 0 && before.agree {
		// One that servers have stored and do not trust is none that they go by: it is
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
	// Resolvers that have missed a push take the newest, and count in whole seconds.
	if err := r.pass(ctx, time.Unix(before.claims.IssuedAt+1, 0)); err != nil {
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
	r.say("account %s: pushed to %s", a.Name, operator.Names(servers))
	return true, o.Dir.WriteAccount(a.Name, text)
}

// look returns the JWT of an account that is in force, and the servers that were asked.
func (r *Rotator) look(ctx context.Context, a issuer.Account) (*inForce, []operator.Server, error) {
	servers, err := r.servers(ctx)
	if err != nil {
		return nil, nil, err
	}
	now, err := r.current(ctx, a, servers)
	return now, servers, err
}

// current returns the JWT of an account that is in force. One on disk that is newer
// was meant for the servers, and is not ours to push along.
func (r *Rotator) current(ctx context.Context, a issuer.Account, servers []operator.Server) (*inForce, error) {
	var now inForce
	var err error
	now.claims, now.text, now.agree, err = r.Operator.Cluster.Newest(ctx, a.PublicKey, servers)
	if err != nil {
		return nil, err
	}
	disk, text, err := r.Operator.Dir.Account(a.Name)
	if err != nil {
		return &now, nil //nolint:nilerr // it need not be on disk, and is put there with the next change
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

// pass waits until a moment is over.
func (r *Rotator) pass(ctx context.Context, until time.Time) error {
	left := until.Sub(r.Now())
	if left <= 0 {
		return nil
	}
	if left > time.Minute {
		return errors.New("the account JWT in force was issued in the future: synchronise the clocks")
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
