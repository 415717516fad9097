package rotation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"usher/issuer"
	"usher/issuer/keyring"
)

func (r *Rotator) path(file string) string { return filepath.Join(r.Dir, file) }

func (r *Rotator) stamp() time.Time { return r.Now().UTC().Truncate(time.Second) }

func (r *Rotator) report(format string, args ...any) { r.Progress(fmt.Sprintf(format, args...)) }

// open locks the keyring until unlock is called, and returns its state.
func (r *Rotator) open() (s *keyring.State, unlock func(), err error) {
	unlock, err = keyring.Lock(r.Dir)
	if err != nil {
		return nil, nil, err
	}
	if s, err = r.read(); err != nil {
		unlock()
		return nil, nil, err
	}
	return s, unlock, nil
}

// read returns the state of the keyring, and keeps the text for save to compare.
func (r *Rotator) read() (*keyring.State, error) {
	text, err := r.onDisk()
	if err != nil {
		return nil, err
	}
	s, err := keyring.ReadState(r.Dir, r.Config)
	if err != nil {
		return nil, err
	}
	r.text = text
	return s, nil
}

func (r *Rotator) onDisk() ([]byte, error) {
	text, err := os.ReadFile(r.path(keyring.StateFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// save writes the state, unless keyring.yaml has changed since it was read. A rotation
// can wait for a long time, and must not overwrite edits made in that time.
func (r *Rotator) save(s *keyring.State) error {
	text, err := r.onDisk()
	switch {
	case err != nil:
		return err
	case !bytes.Equal(text, r.text):
		return ErrConcurrentEdit
	}
	listed := *s
	listed.Keys = slices.DeleteFunc(slices.Clone(s.Keys), func(e keyring.Entry) bool { return e.Unlisted })
	if err := keyring.Save(r.Dir, r.Config, &listed); err != nil {
		return err
	}
	r.text, err = r.onDisk()
	return err
}

// advance takes the remaining steps.
func (r *Rotator) advance(ctx context.Context, s *keyring.State) (Result, error) {
	x := s.Rotation
	result := Result{Old: x.Old, New: x.New, Done: x.Done}
	if r.Operator == nil && x.Done == keyring.StepAnnounce { // resumed, perhaps in another terminal
		r.sayLines(x)
	}
	for _, step := range stepsAfter(x.Done) {
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
	if len(blockers) > 0 {
		s.Rotation = nil // the new key is in use; the retiring key must not block other rotations
		return result, r.save(s)
	}
	if err := r.retire(ctx, s, old); err != nil {
		return result, fmt.Errorf("%s: %w", keyring.StepRetire, err)
	}
	result.Done = keyring.StepRetire
	return result, nil
}

func stepsAfter(done keyring.Step) []keyring.Step {
	steps := keyring.Steps()
	for i, step := range steps {
		if step == done {
			return steps[i+1:]
		}
	}
	return steps
}

func (r *Rotator) step(ctx context.Context, s *keyring.State, step keyring.Step) error {
	switch step {
	case keyring.StepAdd:
		return r.waitForKey(ctx, s.Rotation.New, "")
	case keyring.StepAnnounce:
		return r.announce(ctx, s)
	case keyring.StepSwitch:
		return r.switchTo(ctx, s)
	case keyring.StepRetire:
	}
	return nil
}

// announce makes the servers accept the new key.
func (r *Rotator) announce(ctx context.Context, s *keyring.State) error {
	x := s.Rotation
	if r.Operator == nil {
		r.sayLines(x)
		return nil
	}
	account, err := r.accountOf(s, x)
	if err != nil {
		return err
	}
	return r.edit(ctx, account, addition(x.Kind, x.Scope, x.Old, x.New))
}

func (r *Rotator) sayLines(x *keyring.Rotation) {
	for _, line := range Lines(x.Kind, x.Old, x.New) {
		r.Progress(line)
	}
}

// Lines returns the lines to change in every nats-server.conf in config mode.
func Lines(kind, old, next string) []string {
	name := "issuer"
	if kind == issuer.KindXKey {
		name = "xkey"
	}
	return []string{
		"in every server's configuration, authorization.auth_callout, change",
		"-   " + name + ": " + old,
		"+   " + name + ": " + next,
		"and restart the servers one after the other: nats-server refuses a reload of auth_callout",
	}
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

// switchTo puts the new key in use. In config mode each server does that when it is
// restarted; until then both keys are in use. In operator mode the key is announced
// again, because somebody may have pushed another account JWT since, and a server that
// was unreachable has its old JWT.
func (r *Rotator) switchTo(ctx context.Context, s *keyring.State) error {
	x := s.Rotation
	if r.Operator == nil {
		if err := r.until(ctx, r.Wait, "every server to expect the new key", func(ctx context.Context) ([]string, error) {
			return r.expecting(ctx, x.Kind, x.Old)
		}); err != nil {
			return err
		}
	} else {
		if err := r.until(ctx, r.Wait, "every server to answer", r.unreachable); err != nil {
			return err
		}
		if err := r.announce(ctx, s); err != nil {
			return err
		}
	}
	return r.use(ctx, s)
}

// use records that the new key is active, and waits until every usher uses it.
func (r *Rotator) use(ctx context.Context, s *keyring.State) error {
	x := s.Rotation
	set(s.Entry(x.New), issuer.StateActive, r.stamp())
	set(s.Entry(x.Old), issuer.StateRetiring, r.stamp())
	if err := r.save(s); err != nil {
		return err
	}
	return r.waitForKey(ctx, x.New, issuer.StateActive)
}

func set(e *keyring.Entry, state issuer.KeyState, at time.Time) {
	if e != nil && e.State != state {
		e.State, e.Since = state, at
	}
}
