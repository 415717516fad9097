package rotation

import (
	"context"
	"errors"
	"fmt"

	"usher/issuer"
	"usher/issuer/keyring"
)

// retire takes a key away from the servers, and then from the keyring. The rotation
// that it is part of is over with it.
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
	if err := keyring.Retire(r.Dir, file); err != nil {
		return err
	}
	r.say("retired %s", public)
	return r.dropped(ctx, public)
}

// Retire takes a key that was replaced away, once nothing depends on it; now: at
// once, whatever does, and an active one is replaced first. The blockers say what
// still depends on it, if anything; without now the key stays then.
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
		return nil, UnderWay(s.Rotation)
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

// retireNow is for a key that others have got hold of: nobody who does not answer
// holds it up.
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
		blockers = []string{"could not be looked at: " + err.Error()}
	}
	return blockers, r.retire(ctx, s, e)
}

// replaceNow puts the new key of a rotation in use without waiting for the servers
// of config mode, whose restart is not ours to do.
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

// Rollback undoes a rotation that was interrupted, by rotating back: the old key is
// announced, switched to, and the new one is retired.
func (r *Rotator) Rollback(ctx context.Context) (Result, error) {
	s, unlock, err := r.open()
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	x := s.Rotation
	switch {
	case x == nil:
		return Result{}, ErrNotUnderWay
	case s.Entry(x.Old).State == issuer.StateRetired:
		return Result{}, ErrDone
	}
	x.Old, x.New, x.Done = x.New, x.Old, keyring.StepAdd
	if err := r.save(s); err != nil {
		return Result{}, err
	}
	return r.advance(ctx, s)
}

// dropped waits until no running usher goes by a key that is retired. By then it is
// gone; that one has not heard of it is worth a word and no more.
func (r *Rotator) dropped(ctx context.Context, public string) error {
	err := r.until(ctx, r.pickUp(), "every usher to drop the key", func(ctx context.Context) ([]string, error) {
		reports, err := r.Reports(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask the running ushers: %w", err)
		}
		var missing []string
		for i := range reports {
			for _, k := range reports[i].Keys {
				if k.PublicKey == public && k.State != "" && k.State != issuer.StateRetired {
					missing = append(missing, "usher "+reports[i].Name()+" still has it")
				}
			}
		}
		return missing, nil
	})
	var late *WaitError
	if errors.As(err, &late) {
		r.say("note: %v", late)
		return nil
	}
	return err
}
