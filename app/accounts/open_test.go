package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/app/accounts"
	"usher/callout/callouttest"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// Two projects get accounts of their own in a cluster, and their administrators are in
// them: what one publishes, the other does not see.
//
// Attack: whoever may fetch in one project disturbs consumers of another by reply subjects
// Held by: a project has an account of its own, across which no subject reaches
func TestOpen(t *testing.T) {
	t.Parallel()
	s := newSite(t, callouttest.OperatorConfig{Servers: 2, Sealed: true})
	var steps []accounts.Step
	s.m.Progress = func(step accounts.Step, done, total int) {
		if done == total {
			steps = append(steps, step)
		}
	}
	made, err := s.m.Open(t.Context(), []string{"shop", "lab", "shop"})
	must(t, err)
	if len(made) != 2 || made[0].Name != "lab" || made[1].Project != "shop" || made[0].PublicKey == made[1].PublicKey {
		t.Errorf("made %+v", made)
	}
	if !slices.Equal(steps, accounts.OpenSteps()) {
		t.Errorf("steps %v", steps)
	}
	s.usher.SetDirectory(t, directoryOf("shop", "lab"))
	for _, a := range made {
		s.in(t, a.Name, a.PublicKey)
		for _, file := range []string{
			filepath.Join(s.Keyring, "project-"+a.Name+".nk"), filepath.Join(s.JWTDir, "keys", "project-"+a.Name+".nk"), operator.Dir(s.JWTDir).AccountFile(a.Name),
		} {
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", file, info, err)
			}
		}
		if c := s.inForce(t, a.PublicKey); c.Name != a.Name || c.Limits.DiskStorage != -1 {
			t.Errorf("in force %+v", c)
		}
	}
	shop, err := s.connect(0, "shop")
	must(t, err)
	defer shop.Close()
	lab, err := s.connect(1, "lab")
	must(t, err)
	defer lab.Close()
	mine, err := shop.SubscribeSync("shop.>")
	must(t, err)
	must(t, shop.Flush())
	// A wide-open user of lab's account is not in shop's either.
	must(t, lab.Publish("lab.orders", nil))
	must(t, lab.Flush())
	must(t, shop.Publish("shop.orders", []byte("own")))
	if m, err := mine.NextMsg(20e9); err != nil || string(m.Data) != "own" {
		t.Errorf("%v, %v", m, err)
	}

	// Once more: nothing changes.
	before, _ := s.account(t, "shop")
	again, err := s.m.Open(t.Context(), []string{"shop"})
	must(t, err)
	if again[0] != before {
		t.Errorf("made %+v anew", again)
	}
	// One push for all of them: allowed are both, and what was before.
	callout := s.inForce(t, s.Accounts[callouttest.CalloutAccount])
	for _, a := range made {
		if !operator.Allows(callout, a.PublicKey) {
			t.Errorf("%s is not allowed", a.Name)
		}
	}
	if !operator.Allows(callout, s.Accounts[callouttest.AppAccount]) {
		t.Error("APP is not allowed any more")
	}
}

// Keys that a rotation has left are not touched.
func TestOpenRotated(t *testing.T) {
	t.Parallel()
	s := newSite(t, callouttest.OperatorConfig{})
	_, err := s.m.Open(t.Context(), []string{"shop"})
	must(t, err)
	state, unlock, err := s.m.Rotator.Open()
	must(t, err)
	old := callouttest.NewKeys(t)
	callouttest.WriteSeed(t, filepath.Join(s.Keyring, "old.nk"), old.IssuerSeed)
	state.Keys = append([]keyring.Entry{{Kind: issuer.KindSigning, PublicKey: old.Issuer, Account: "shop", File: "old.nk", State: issuer.StateRetiring}}, state.Keys...)
	must(t, s.m.Rotator.Save(state))
	unlock()
	_, before := s.account(t, "shop")
	_, err = s.m.Open(t.Context(), []string{"shop"})
	must(t, err)
	if _, after := s.account(t, "shop"); after.PublicKey != before.PublicKey || s.state(t).Entry(old.Issuer).State != issuer.StateRetiring {
		t.Errorf("active %+v, old %+v", after, s.state(t).Entry(old.Issuer))
	}
	_, err = s.m.Close(t.Context(), "shop", accounts.CloseOptions{})
	must(t, err)
	if e := s.state(t).Entry(old.Issuer); e != nil {
		t.Errorf("left: %+v", e)
	}
}

// What is taken is refused, before anything is changed.
//
// Attack: a project that is named like the system or the callout account gets that account
// Held by: an account is only ever given to the project that it was made for
func TestOpenTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t, callouttest.OperatorConfig{})
	before := s.files(t)
	for _, name := range []string{callouttest.AppAccount, callouttest.SystemAccount, callouttest.CalloutAccount} {
		if _, err := s.m.Open(t.Context(), []string{"a", name, "z"}); !errors.Is(err, accounts.ErrTaken) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.m.Check([]string{"a", name}); !errors.Is(err, accounts.ErrTaken) {
			t.Errorf("check %s: %v", name, err)
		}
	}
	for _, name := range []string{"", "a.b", "../a", "a/b", ".."} {
		if _, err := s.m.Open(t.Context(), []string{name}); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	// An account of the operator that usher does not serve.
	must(t, os.WriteFile(operator.Dir(s.JWTDir).AccountFile("billing"), []byte(s.WriteAccount(t, callouttest.AppAccount, s.ReadAccount(t, callouttest.AppAccount))), 0o600))
	if _, err := s.m.Open(t.Context(), []string{"billing"}); !errors.Is(err, accounts.ErrTaken) {
		t.Error(err)
	}
	must(t, os.Remove(operator.Dir(s.JWTDir).AccountFile("billing")))
	if after := s.files(t); !slices.Equal(before, after) {
		t.Errorf("files\nbefore %q\nafter %q", before, after)
	}
}

// files lists what is in keyring and operator.dir.
func (s *site) files(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, dir := range []string{s.Keyring, s.JWTDir} {
		must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && !strings.HasSuffix(path, ".lock") {
				files = append(files, path)
			}
			return err
		}))
	}
	return files
}

// errStop is what an interruption is in these tests.
var errStop = errors.New("interrupted")

// interrupt ends the context once a step is done.
func interrupt(t *testing.T, m *accounts.Manager, after accounts.Step) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	m.Progress = func(step accounts.Step, done, total int) {
		if step == after && done == total {
			cancel(errStop)
		}
	}
	return ctx
}

// What ends before the keys are written down leaves seeds, which the next call takes.
func TestInterruptedWhileMaking(t *testing.T) {
	t.Parallel()
	s := newSite(t, callouttest.OperatorConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	s.m.Progress = func(step accounts.Step, done, _ int) {
		if step == accounts.StepKeys && done == 1 {
			cancel()
		}
	}
	names := []string{"a", "b", "c"}
	if _, err := s.m.Open(ctx, names); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	left := s.files(t)
	if a, _ := s.account(t, "a"); a.Name != "" {
		t.Errorf("written down: %+v", a)
	}
	made, err := s.manager(t).Open(t.Context(), names)
	must(t, err)
	if after := s.files(t); len(made) != 3 || !slices.ContainsFunc(left, func(f string) bool { return strings.HasSuffix(f, "project-b.nk") }) ||
		slices.ContainsFunc(left, func(f string) bool { return !slices.Contains(after, f) }) {
		t.Errorf("left %q, then %q", left, after)
	}
	s.usher.SetDirectory(t, directoryOf(names...))
	s.in(t, "a", made[0].PublicKey)
}

// Open and Close are interrupted after each step, and then resumed, or undone by the
// other one. However they meet, nobody is in an account that is not whole, and in the
// end everything is as if nothing had been in the way.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for first, steps := range map[string][]accounts.Step{"open": accounts.OpenSteps(), "close": accounts.CloseSteps()} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, callouttest.OperatorConfig{Servers: 2})
			var names []string
			for _, step := range steps[:len(steps)-1] { // after the last one it is through
				for _, then := range []string{"open", "close"} {
					name := fmt.Sprintf("%s-%s-%s", first, step, then)
					names = append(names, name)
					t.Run(name, func(t *testing.T) { s.interrupted(t, name, first, step, then) })
				}
			}
			for _, e := range s.state(t).Keys {
				if e.Unlisted || e.State != "active" {
					t.Errorf("left in the keyring: %+v", e)
				}
			}
			for _, name := range names {
				a, _ := s.account(t, name)
				if open := strings.HasSuffix(name, "-open"); open != (a.PublicKey != "") {
					t.Errorf("%s: %+v", name, a)
				}
			}
		})
	}
}

func (s *site) interrupted(t *testing.T, name, first string, step accounts.Step, then string) {
	t.Helper()
	m := s.manager(t)
	if first == "close" {
		_, err := m.Open(t.Context(), []string{name})
		must(t, err)
	}
	ctx := interrupt(t, m, step)
	var err error
	if first == "open" {
		_, err = m.Open(ctx, []string{name})
	} else {
		_, err = m.Close(ctx, name, accounts.CloseOptions{})
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, errStop) {
		t.Fatalf("not interrupted: %v", err)
	}
	a, _ := s.account(t, name)
	m = s.manager(t)
	if then == "close" {
		_, err = m.Close(t.Context(), name, accounts.CloseOptions{})
		must(t, err)
		if operator.Allows(s.inForce(t, s.Accounts[callouttest.CalloutAccount]), a.PublicKey) {
			t.Error("still allowed")
		}
		return
	}
	made, err := m.Open(t.Context(), []string{name})
	must(t, err)
	if made[0].PublicKey != a.PublicKey {
		t.Errorf("is %s now, and was %s", made[0].PublicKey, a.PublicKey)
	}
	s.usher.SetDirectory(t, directoryOf(name))
	s.in(t, name, a.PublicKey)
}
