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

func (r *Rotator) say(format string, args ...any) { r.Say(fmt.Sprintf(format, args...)) }

// open keeps others from changing the keyring until unlock is called, and returns its
// state.
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

// read returns the state of the keyring, and remembers its text.
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

// save writes the state down, unless a person has changed it since: a rotation can
// wait for long, and what was edited meanwhile would be lost.
func (r *Rotator) save(s *keyring.State) error {
	text, err := r.onDisk()
	switch {
	case err != nil:
		return err
	case !bytes.Equal(text, r.text):
		return ErrEdited
	}
	named := *s
	named.Keys = slices.DeleteFunc(slices.Clone(s.Keys), func(e keyring.Entry) bool { return e.Unlisted })
	if err := keyring.Save(r.Dir, r.Config, &named); err != nil {
		return err
	}
	r.text, err = r.onDisk()
	return err
}

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
	if len(blockers) > 0 {
		s.Rotation = nil // the new key is in use; the old one does not keep others from being replaced
		return result, r.save(s)
	}
	if err := r.retire(ctx, s, old); err != nil {
		return result, fmt.Errorf("%s: %w", keyring.StepRetire, err)
	}
	result.Done = keyring.StepRetire
	return result, nil
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
	switch step {
	case keyring.StepAdd:
		return r.held(ctx, s.Rotation.New, "")
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
	return r.edit(ctx, account, change(x.Kind, x.Scope, x.Old, x.New))
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
// is restarted; until then both are. In operator mode every server has to have the
// key now, and not only when it was announced: others push account JWTs too, and a
// server that was away goes by what it had.
func (r *Rotator) switchTo(ctx context.Context, s *keyring.State) error {
	x := s.Rotation
	if r.Operator == nil {
		if err := r.until(ctx, r.Wait, "every server to expect the new key", func(ctx context.Context) ([]string, error) {
			return r.expecting(ctx, x.Kind, x.Old)
		}); err != nil {
			return err
		}
	} else {
		if err := r.until(ctx, r.Wait, "every server to be there", r.away); err != nil {
			return err
		}
		if err := r.announce(ctx, s); err != nil {
			return err
		}
	}
	return r.use(ctx, s)
}

// use writes down that the new key of a rotation is in use, and waits until it is.
func (r *Rotator) use(ctx context.Context, s *keyring.State) error {
	x := s.Rotation
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
