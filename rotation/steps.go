package rotation

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/jwt/v2"

	"usher/issuer"
	"usher/keyring"
	"usher/operator"
)

func (r *Rotator) path(file string) string { return filepath.Join(r.Dir, file) }

func (r *Rotator) stamp() time.Time { return r.Now().UTC().Truncate(time.Second) }

func (r *Rotator) save(s *keyring.State) error { return keyring.Save(r.Dir, r.Config, s) }

func (r *Rotator) say(format string, args ...any) { r.Say(fmt.Sprintf(format, args...)) }

// advance takes the steps that are not done yet.
func (r *Rotator) advance(ctx context.Context, s *keyring.State) (Result, error) {
	x := s.Rotation
	result := Result{Old: x.Old, New: x.New, Done: x.Done}
	if r.Operator == nil && x.Done == keyring.StepAnnounce { // resumed: whoever does so may not have seen them
		r.lines(x)
	}
	for _, step := range after(x.Done) {
		if step == keyring.StepRetire {
			break
		}
		if err := r.step(ctx, s, step); err != nil {
			return result, fmt.Errorf("%s: %w", step, err)
		}
		x.Done, result.Done = step, step
		if err := r.save(s); err != nil {
			return result, err
		}
	}
	old := s.Entry(x.Old)
	blockers, err := r.idle(ctx, s, old)
	if err != nil {
		return result, fmt.Errorf("%s: %w", keyring.StepRetire, err)
	}
	result.Blockers = blockers
	if len(blockers) == 0 {
		if err := r.retire(ctx, s, old); err != nil {
			return result, fmt.Errorf("%s: %w", keyring.StepRetire, err)
		}
		result.Done = keyring.StepRetire
	}
	s.Rotation = nil
	return result, r.save(s)
}

func after(done keyring.Step) []keyring.Step {
	steps := keyring.Steps()
	for i, step := range steps {
		if step == done {
			return steps[i+1:]
		}
	}
	return steps
}

func (r *Rotator) step(ctx context.Context, s *keyring.State, step keyring.Step) error {
	x := s.Rotation
	switch step {
	case keyring.StepAdd:
		return r.held(ctx, x.New, "")
	case keyring.StepAnnounce:
		return r.announce(ctx, s)
	case keyring.StepSwitch:
		return r.switchTo(ctx, s)
	case keyring.StepRetire:
	}
	return nil
}

// announce lets the servers know of the new key.
func (r *Rotator) announce(ctx context.Context, s *keyring.State) error {
	x := s.Rotation
	if r.Operator == nil {
		r.lines(x)
		return nil
	}
	account, err := r.accountOf(s, x)
	if err != nil {
		return err
	}
	return r.edit(ctx, account, change(x))
}

func (r *Rotator) lines(x *keyring.Rotation) {
	for _, line := range Lines(x.Kind, x.Old, x.New) {
		r.Say(line)
	}
}

// Lines says what to change in every nats-server.conf in config mode, where a
// reload does not take it.
func Lines(kind, old, fresh string) []string {
	name := "issuer"
	if kind == issuer.KindXKey {
		name = "xkey"
	}
	return []string{
		"in every server's configuration, authorization.auth_callout, change",
		"-   " + name + ": " + old,
		"+   " + name + ": " + fresh,
		"and restart the servers one after the other: nats-server refuses a reload of auth_callout",
	}
}

// change is what announcing a rotation does to the account JWT.
func change(x *keyring.Rotation) func(*jwt.AccountClaims) {
	if x.Kind == issuer.KindXKey {
		return func(c *jwt.AccountClaims) { operator.SetXKey(c, x.New) }
	}
	return func(c *jwt.AccountClaims) { operator.AddSigningKey(c, x.Old, x.New) }
}

// accountOf returns the account whose JWT a rotation changes.
func (r *Rotator) accountOf(s *keyring.State, x *keyring.Rotation) (issuer.Account, error) {
	name := x.Account
	if x.Kind == issuer.KindXKey {
		name = r.Config.Callout
	}
	return account(s, name)
}

func account(s *keyring.State, name string) (issuer.Account, error) {
	for _, a := range s.Accounts {
		if a.Name == name {
			return a, nil
		}
	}
	return issuer.Account{}, fmt.Errorf("the keyring does not know account %s", name)
}

// switchTo puts the new key in use. In config mode the servers do that, each when it
// is restarted; until then both are.
func (r *Rotator) switchTo(ctx context.Context, s *keyring.State) error {
	x := s.Rotation
	if r.Operator == nil {
		if err := r.until(ctx, r.Wait, "every server to expect the new key", func(ctx context.Context) ([]string, error) {
			return r.expecting(ctx, x.Kind, x.Old)
		}); err != nil {
			return err
		}
	}
	set(s.Entry(x.New), issuer.StateActive, r.stamp())
	set(s.Entry(x.Old), issuer.StateRetiring, r.stamp())
	if err := r.save(s); err != nil {
		return err
	}
	return r.held(ctx, x.New, issuer.StateActive)
}

func set(e *keyring.Entry, state issuer.KeyState, at time.Time) {
	if e != nil && e.State != state {
		e.State, e.Since = state, at
	}
}

// retire takes a key away from the servers, and then from the keyring.
func (r *Rotator) retire(ctx context.Context, s *keyring.State, e *keyring.Entry) error {
	if r.Operator != nil && e.Kind == issuer.KindSigning {
		a, err := account(s, e.Account)
		if err != nil {
			return err
		}
		key := e.PublicKey
		if err := r.edit(ctx, a, func(c *jwt.AccountClaims) { operator.RemoveSigningKey(c, key) }); err != nil {
			return err
		}
	}
	set(e, issuer.StateRetired, r.stamp())
	if err := r.save(s); err != nil {
		return err
	}
	r.say("retired %s", e.PublicKey)
	return keyring.Retire(r.Dir, e.File)
}

// Retire takes a key that was replaced away, once nothing depends on it; now: at
// once, whatever does, and an active one is replaced first. The blockers say what
// still depends on it, if anything; the key stays then.
func (r *Rotator) Retire(ctx context.Context, public string, now bool) (blockers []string, err error) {
	unlock, err := keyring.Lock(r.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s, err := keyring.ReadState(r.Dir, r.Config)
	if err != nil {
		return nil, err
	}
	e := s.Entry(public)
	switch {
	case e == nil:
		return nil, fmt.Errorf("%w: %s", ErrUnknownKey, public)
	case e.State == issuer.StateRetired:
		return nil, ErrRetired
	case s.Rotation != nil && (!now || s.Rotation.Old != public):
		return nil, underWay(s.Rotation)
	case e.State == issuer.StateActive && !now:
		return nil, ErrActive
	}
	if now {
		return r.retireNow(ctx, s, e)
	}
	blockers, err = r.Blockers(ctx, s, e)
	if err == nil && len(blockers) > 0 {
		blockers, err = r.idle(ctx, s, e)
	}
	if err != nil || len(blockers) > 0 {
		return blockers, err
	}
	return nil, r.retire(ctx, s, e)
}

// retireNow is for a key that others have got hold of.
func (r *Rotator) retireNow(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	public := e.PublicKey
	if e.State == issuer.StateActive {
		t := Target{Kind: e.Kind, Place: issuer.Place{Account: e.Account, Scope: e.Scope}}
		if s.Rotation == nil {
			if err := r.begin(s, t); err != nil {
				return nil, err
			}
		}
		if err := r.replaceNow(ctx, s); err != nil {
			return nil, err
		}
		e = s.Entry(public)
	}
	s.Rotation = nil
	blockers, err := r.Blockers(ctx, s, e)
	if err != nil {
		blockers = []string{"could not be looked at: " + err.Error()}
	}
	if err := r.retire(ctx, s, e); err != nil {
		return nil, err
	}
	return blockers, nil
}

// replaceNow puts the new key of a rotation in use without waiting for the servers
// of config mode, whose restart is not ours to do.
func (r *Rotator) replaceNow(ctx context.Context, s *keyring.State) error {
	for _, step := range after(s.Rotation.Done) {
		if step == keyring.StepSwitch || step == keyring.StepRetire {
			break
		}
		if err := r.step(ctx, s, step); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
		s.Rotation.Done = step
		if err := r.save(s); err != nil {
			return err
		}
	}
	x := s.Rotation
	set(s.Entry(x.New), issuer.StateActive, r.stamp())
	set(s.Entry(x.Old), issuer.StateRetiring, r.stamp())
	if err := r.save(s); err != nil {
		return err
	}
	return r.held(ctx, x.New, issuer.StateActive)
}

// Rollback undoes a rotation that was interrupted: the old key is active again, and
// the new one is retired.
func (r *Rotator) Rollback(ctx context.Context) (Result, error) {
	unlock, err := keyring.Lock(r.Dir)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	s, err := keyring.ReadState(r.Dir, r.Config)
	if err != nil {
		return Result{}, err
	}
	x := s.Rotation
	if x == nil {
		return Result{}, ErrNotUnderWay
	}
	if r.Operator == nil {
		if servers, err := r.expecting(ctx, x.Kind, x.New); err != nil {
			return Result{}, err
		} else if len(servers) > 0 {
			return Result{}, fmt.Errorf("%w: %v; put the old lines back, and restart them", ErrExpected, servers)
		}
	}
	set(s.Entry(x.Old), issuer.StateActive, r.stamp())
	set(s.Entry(x.New), issuer.StateRetiring, r.stamp())
	if err := r.save(s); err != nil {
		return Result{}, err
	}
	if err := r.held(ctx, x.Old, issuer.StateActive); err != nil {
		return Result{}, err
	}
	if r.Operator != nil && x.Kind == issuer.KindXKey {
		a, err := r.accountOf(s, x)
		if err != nil {
			return Result{}, err
		}
		if err := r.edit(ctx, a, func(c *jwt.AccountClaims) { operator.SetXKey(c, x.Old) }); err != nil {
			return Result{}, err
		}
	}
	blockers, err := r.idle(ctx, s, s.Entry(x.New))
	if err != nil {
		return Result{}, err
	}
	if len(blockers) == 0 {
		if err := r.retire(ctx, s, s.Entry(x.New)); err != nil {
			return Result{}, err
		}
	}
	s.Rotation = nil
	return Result{Old: x.New, New: x.Old, Done: keyring.StepSwitch, Blockers: blockers}, r.save(s)
}

// edit changes the JWT of an account, and gives it to every server.
func (r *Rotator) edit(ctx context.Context, a issuer.Account, change func(*jwt.AccountClaims)) error {
	o := r.Operator
	claims, err := o.Dir.Operator()
	if err != nil {
		return err
	}
	if err := operator.CheckSigner(claims, o.Signer); err != nil {
		return err
	}
	servers, err := o.Cluster.Servers(ctx)
	if err != nil {
		return err
	}
	before, agree, err := r.current(ctx, a, servers)
	if err != nil {
		return err
	}
	next, err := operator.Clone(before)
	if err != nil {
		return err
	}
	change(next)
	diff, err := operator.Diff(before, next)
	if err != nil {
		return err
	}
	if len(diff) == 0 && agree {
		return nil // it was done before it was interrupted
	}
	// Resolvers that have missed a push take the newest, and count in whole seconds.
	if err := r.pass(ctx, time.Unix(before.IssuedAt+1, 0)); err != nil {
		return err
	}
	text, err := operator.Sign(next, o.Signer)
	if err != nil {
		return err
	}
	if err := o.Cluster.Push(ctx, a.PublicKey, text, servers); err != nil {
		return err
	}
	r.say("account %s: pushed to %s", a.Name, operator.Names(servers))
	return o.Dir.WriteAccount(a.Name, text)
}

// current returns the JWT of an account that is in force, and whether all servers
// agree on it. One on disk that is newer was meant for the servers, and is not ours
// to push along.
func (r *Rotator) current(ctx context.Context, a issuer.Account, servers []operator.Server) (*jwt.AccountClaims, bool, error) {
	claims, _, agree, err := r.Operator.Cluster.Newest(ctx, a.PublicKey, servers)
	if err != nil {
		return nil, false, err
	}
	disk, _, err := r.Operator.Dir.Account(a.Name)
	if err == nil && disk.Subject != a.PublicKey {
		return nil, false, fmt.Errorf("%s is the JWT of %s, the keyring says %s", r.Operator.Dir.AccountFile(a.Name), disk.Subject, a.PublicKey)
	}
	if err == nil && disk.IssuedAt > claims.IssuedAt {
		return nil, false, fmt.Errorf("%w: %s", ErrUnpushed, r.Operator.Dir.AccountFile(a.Name))
	}
	return claims, agree, nil
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
