package rotation

import (
	"context"
	"fmt"
	"strings"

	"usher/issuer"
	"usher/issuer/keyring"
)

// retire removes a key from the account JWT, and then from the keyring. It ends the
// rotation that the key is part of.
func (r *Rotator) retire(ctx context.Context, s *keyring.State, e *keyring.Entry) error {
	public, file := e.PublicKey, e.File
	if r.Operator != nil && e.Kind == issuer.KindSigning {
		a, err := account(s, e.Account)
		if err != nil {
			return err
		}
		if err := r.edit(ctx, a, removal(s, e)); err != nil {
			return err
		}
	}
	set(e, issuer.StateRetired, r.stamp())
	if x := s.Rotation; x != nil && (x.Old == public || x.New == public) {
		s.Rotation = nil
	}
	if err := r.save(s); err != nil {
		return err
	}
	if err := keyring.RetireSeed(r.Dir, file); err != nil {
		return err
	}
	r.report("retired %s", public)
	return r.dropped(ctx, public)
}

// Retire retires a replaced key once nothing depends on it. With now it retires the key
// even if something does; an active key is replaced first. The blockers list what still
// depends on the key. Without now a key with blockers is not retired.
func (r *Rotator) Retire(ctx context.Context, public string, now bool) (blockers []string, err error) {
	s, unlock, err := r.open()
	if err != nil {
		return nil, err
	}
	defer unlock()
	e := s.Entry(public)
	involved := s.Rotation != nil && (s.Rotation.Old == public || s.Rotation.New == public)
	switch {
	case e == nil || e.Unlisted:
		return nil, fmt.Errorf("%w: %s", ErrUnknownKey, public)
	case e.State == issuer.StateRetired:
		return nil, ErrRetired
	case s.Rotation != nil && !now, s.Rotation != nil && e.State == issuer.StateActive && !involved, involved && s.Rotation.New == public && e.State != issuer.StateActive:
		return nil, InProgress(s.Rotation)
	case e.State == issuer.StateActive && !now:
		return nil, ErrActive
	}
	if err := r.ready(ctx); err != nil {
		return nil, err
	}
	if now {
		return r.retireNow(ctx, s, e)
	}
	blockers, err = r.idle(ctx, s, e)
	if err != nil || len(blockers) > 0 {
		return blockers, err
	}
	return nil, r.retire(ctx, s, e)
}

// retireNow retires a compromised key. It does not fail because ushers or servers do
// not answer.
func (r *Rotator) retireNow(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	r.urgent = true
	public := e.PublicKey
	if e.State == issuer.StateActive {
		if s.Rotation == nil || s.Rotation.Old != public {
			s.Rotation = nil
			if err := r.begin(s, Target{Kind: e.Kind, Place: issuer.Place{Account: e.Account, Scope: e.Scope}}); err != nil {
				return nil, err
			}
		}
		if err := r.replaceNow(ctx, s); err != nil {
			return nil, err
		}
		e = s.Entry(public)
	}
	blockers, err := r.Blockers(ctx, s, e)
	if err != nil {
		blockers = []string{"cannot tell what depends on it: " + err.Error()}
	}
	return blockers, r.retire(ctx, s, e)
}

// replaceNow puts the new key of a rotation in use. It does not wait for the servers of
// config mode to be restarted.
func (r *Rotator) replaceNow(ctx context.Context, s *keyring.State) error {
	for _, step := range []keyring.Step{keyring.StepAdd, keyring.StepAnnounce} {
		if err := r.step(ctx, s, step); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
		s.Rotation.Done = step
		if err := r.save(s); err != nil {
			return err
		}
	}
	return r.use(ctx, s)
}

// Rollback undoes an interrupted rotation by rotating back: it announces the old key,
// switches to it, and retires the new key.
func (r *Rotator) Rollback(ctx context.Context) (Result, error) {
	s, unlock, err := r.open()
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	x := s.Rotation
	switch {
	case x == nil:
		return Result{}, ErrNotInProgress
	case s.Entry(x.Old).State == issuer.StateRetired:
		return Result{}, ErrNoRollback
	}
	if err := r.findUsher(ctx); err != nil {
		return Result{}, err
	}
	x.Old, x.New, x.Done = x.New, x.Old, keyring.StepAdd
	if err := r.save(s); err != nil {
		return Result{}, err
	}
	return r.advance(ctx, s)
}

// dropped waits until every running usher has loaded the keyring without a retired key.
// The key is out of use already, so an usher that takes longer is no error.
func (r *Rotator) dropped(ctx context.Context, public string) error {
	missing, err := r.poll(ctx, r.reloadTimeout(), func(ctx context.Context) ([]string, error) {
		reports, err := r.reports(ctx)
		if err != nil {
			return nil, err
		}
		var ushers []string
		for i := range reports {
			if k := reports[i].Key(public); k != nil && k.State != "" && k.State != issuer.StateRetired {
				ushers = append(ushers, reports[i].Name())
			}
		}
		return ushers, nil
	}, func(ushers []string) {
		r.report("running ushers unload the key when they reload the keyring; waiting for %s", strings.Join(ushers, ", "))
	})
	if err == nil && len(missing) > 0 {
		r.report("the key is retired; these ushers have yet to reload the keyring: %s", strings.Join(missing, ", "))
	}
	return err
}
