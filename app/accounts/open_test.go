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

// Each of two projects gets its own account in a cluster. The administrator of one does
// not receive what the other publishes.
//
// Attack: a consumer of one project sends messages to consumers of another with a reply subject
// Held by: each project has its own account, and no subject crosses accounts
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
		t.Errorf("created %+v", made)
	}
	if !slices.Equal(steps, accounts.OpenSteps()) {
		t.Errorf("steps %v", steps)
	}
	s.usher.SetDirectory(t, directoryOf("shop", "lab"))
	for _, a := range made {
		s.checkConnects(t, a.Name, a.PublicKey)
		for _, file := range []string{
			filepath.Join(s.Keyring, "project-"+a.Name+".nk"), filepath.Join(s.JWTDir, "keys", "project-"+a.Name+".nk"), operator.Dir(s.JWTDir).AccountFile(a.Name),
		} {
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", file, info, err)
			}
		}
		if c := s.inForce(t, a.PublicKey); c.Name != a.Name || c.Limits.DiskStorage != -1 {
			t.Errorf("account claims %+v", c)
		}
	}
	shop, err := s.connect(0, "shop")
	must(t, err)
	defer shop.Close()
	lab, err := s.connect(1, "lab")
	must(t, err)
	defer lab.Close()
	sub, err := shop.SubscribeSync("shop.>")
	must(t, err)
	must(t, shop.Flush())
	// A message in lab's account does not reach shop's.
	must(t, lab.Publish("lab.orders", nil))
	must(t, lab.Flush())
	must(t, shop.Publish("shop.orders", []byte("own")))
	if m, err := sub.NextMsg(20e9); err != nil || string(m.Data) != "own" {
		t.Errorf("%v, %v", m, err)
	}

	// A second Open changes nothing.
	before, _ := s.account(t, "shop")
	again, err := s.m.Open(t.Context(), []string{"shop"})
	must(t, err)
	if again[0] != before {
		t.Errorf("created %+v again", again)
	}
	// The callout account allows both accounts, and those of before.
	callout := s.inForce(t, s.Accounts[callouttest.CalloutAccount])
	for _, a := range made {
		if !operator.Allows(callout, a.PublicKey) {
			t.Errorf("%s is not allowed", a.Name)
		}
	}
	if !operator.Allows(callout, s.Accounts[callouttest.AppAccount]) {
		t.Error("APP is no longer allowed")
	}
}

// Open keeps the retiring keys of a rotation.
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
		t.Errorf("still in the keyring: %+v", e)
	}
}

// A name that is taken is refused before anything is changed.
//
// Attack: a project with the name of the system or the callout account gets that account
// Held by: a project only gets an account that was created for it
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
			t.Errorf("%q is accepted as a name", name)
		}
	}
	// An account in operator.dir that is not in the keyring.
	must(t, os.WriteFile(operator.Dir(s.JWTDir).AccountFile("billing"), []byte(s.WriteAccount(t, callouttest.AppAccount, s.ReadAccount(t, callouttest.AppAccount))), 0o600))
	if _, err := s.m.Open(t.Context(), []string{"billing"}); !errors.Is(err, accounts.ErrTaken) {
		t.Error(err)
	}
	must(t, os.Remove(operator.Dir(s.JWTDir).AccountFile("billing")))
	if after := s.files(t); !slices.Equal(before, after) {
		t.Errorf("files\nbefore %q\nafter %q", before, after)
	}
}

// files lists the files in the keyring and in operator.dir.
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

// errStop is the cause with which tests cancel a context.
var errStop = errors.New("interrupted")

// interrupt returns a context that is cancelled when a step is completed.
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

// If Open is interrupted before it records the keys, the next call uses the seeds that it
// has left.
func TestInterruptedWhileCreatingKeys(t *testing.T) {
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
		t.Errorf("recorded: %+v", a)
	}
	made, err := s.manager(t).Open(t.Context(), names)
	must(t, err)
	if after := s.files(t); len(made) != 3 || !slices.ContainsFunc(left, func(f string) bool { return strings.HasSuffix(f, "project-b.nk") }) ||
		slices.ContainsFunc(left, func(f string) bool { return !slices.Contains(after, f) }) {
		t.Errorf("files after the interruption %q, then %q", left, after)
	}
	s.usher.SetDirectory(t, directoryOf(names...))
	s.checkConnects(t, "a", made[0].PublicKey)
}

// Open and Close are interrupted after each step, and then continued or undone by the
// other. The result is the same as without an interruption.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for first, steps := range map[string][]accounts.Step{"open": accounts.OpenSteps(), "close": accounts.CloseSteps()} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, callouttest.OperatorConfig{Servers: 2})
			var names []string
			for _, step := range steps[:len(steps)-1] { // after the last step the call is complete
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
		t.Fatalf("the call was not interrupted: %v", err)
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
		t.Errorf("account is %s, want %s", made[0].PublicKey, a.PublicKey)
	}
	s.usher.SetDirectory(t, directoryOf(name))
	s.checkConnects(t, name, a.PublicKey)
}
