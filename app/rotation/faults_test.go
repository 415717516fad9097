package rotation_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/app/rotation"
	"usher/callout/callouttest"
	"usher/callout/keyusage"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
	"usher/permissions"
)

// quickly is a site whose rotations wait for little.
func quickly(t *testing.T, cfg callouttest.OperatorConfig) (*callouttest.Operator, *fleet, *rotation.Rotator) {
	t.Helper()
	o, f, r := site(t, cfg)
	r.Wait, r.Quiet, r.PickUp = 3*time.Second, 300*time.Millisecond, 5*time.Second
	return o, f, r
}

// letsIn holds that a client of APP gets in.
func letsIn(t *testing.T, o *callouttest.Operator) {
	t.Helper()
	must(t, getsIn(o.URLs(), nats.Token("publisher-key")))
}

// scopedSite has a role whose template lets little.
func scopedSite(t *testing.T) (*callouttest.Operator, *rotation.Rotator, rotation.Target) {
	t.Helper()
	template := jwt.UserPermissionLimits{Limits: jwt.Limits{NatsLimits: jwt.NatsLimits{Subs: -1, Data: -1, Payload: -1}}}
	template.Pub.Allow.Add("only.{{name()}}")
	template.Sub.Allow.Add("_INBOX_{{name()}}.>")
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Scoped: map[string]jwt.UserPermissionLimits{"publisher": template}})
	f := newFleet(t, 1, callouttest.ServiceConfig{
		Operator: o, Directory: callouttest.Directory(callouttest.DirectoryText),
		Scoped: []permissions.ScopedRole{{Account: callouttest.AppAccount, Role: "publisher"}},
	})
	r := operatorRotator(t, o, f)
	r.Wait, r.Quiet = 3*time.Second, 300*time.Millisecond
	return o, r, signingKey(callouttest.AppAccount, "publisher")
}

// A scoped key is never replaced by one without a scope: what it signs states nothing,
// which would let clients do everything.
func TestScopeIsNotLost(t *testing.T) {
	t.Parallel()
	t.Run("old key gone from the JWT", func(t *testing.T) {
		t.Parallel()
		o, r, target := scopedSite(t)
		old := active(t, r, target)
		c := o.Account(t, callouttest.AppAccount)
		c.SigningKeys.Remove(old)
		o.Push(t, callouttest.AppAccount, c)
		_, err := r.Rotate(t.Context(), target)
		if !errors.Is(err, operator.ErrUnscoped) || active(t, r, target) != old {
			t.Errorf("%v", err)
		}
	})
	t.Run("next key in the JWT without a scope", func(t *testing.T) {
		t.Parallel()
		o, r, target := scopedSite(t)
		old := active(t, r, target)
		next := callouttest.NewKeys(t)
		put(t, r, next.IssuerSeed, keyring.Entry{
			PublicKey: next.Issuer, Kind: issuer.KindSigning, Account: callouttest.AppAccount, Scope: "publisher", State: issuer.StateNext,
		})
		c := o.Account(t, callouttest.AppAccount)
		c.SigningKeys.Add(next.Issuer)
		o.Push(t, callouttest.AppAccount, c)
		_, err := r.Rotate(t.Context(), target)
		if !errors.Is(err, operator.ErrUnscoped) || active(t, r, target) != old {
			t.Errorf("%v", err)
		}
	})
}

// put puts a seed and its entry into the keyring.
func put(t *testing.T, r *rotation.Rotator, seed string, e keyring.Entry) {
	t.Helper()
	e.File = "put.nk"
	must(t, keyring.WriteSeed(filepath.Join(r.Dir, e.File), []byte(seed), r.Config))
	s, err := keyring.ReadState(r.Dir, r.Config)
	must(t, err)
	s.Keys = slices.DeleteFunc(s.Keys, func(x keyring.Entry) bool { return x.PublicKey == e.PublicKey })
	s.Keys = append(s.Keys, e)
	must(t, keyring.Save(r.Dir, r.Config, s))
}

// failingDisk makes the JWTs on disk unwritable as soon as f says so.
func failingDisk(o *callouttest.Operator, r *rotation.Rotator, now func(*keyring.Rotation) bool) (failing *rotation.Rotator, mend func() error) {
	accounts := filepath.Join(o.JWTDir, "accounts")
	cut := *r
	cut.Reports = func(ctx context.Context) ([]keyusage.Report, error) {
		if s, err := keyring.ReadState(r.Dir, r.Config); err == nil && s.Rotation != nil && now(s.Rotation) {
			_ = os.Rename(accounts, accounts+"-away")
		}
		return r.Reports(ctx)
	}
	return &cut, func() error { return os.Rename(accounts+"-away", accounts) }
}

// A retirement that was pushed and not written down can be undone and brought to its
// end: the servers get back what they need.
func TestInterruptedAfterRetirePushed(t *testing.T) {
	t.Parallel()
	for _, resume := range []bool{true, false} {
		t.Run(map[bool]string{true: "resumed", false: "rolled back"}[resume], func(t *testing.T) {
			t.Parallel()
			o, _, r := quickly(t, callouttest.OperatorConfig{})
			target := signingKey(callouttest.AppAccount, "")
			cut, mend := failingDisk(o, r, func(x *keyring.Rotation) bool { return x.Done == keyring.StepSwitch })
			if _, err := cut.Rotate(t.Context(), target); err == nil {
				t.Fatal("not interrupted")
			}
			must(t, mend())
			letsIn(t, o)
			end := r.Resume
			if !resume {
				end = r.Rollback
			}
			result, err := end(t.Context())
			must(t, err)
			if len(result.Blockers) > 0 {
				t.Errorf("%+v", result)
			}
			letsIn(t, o)
			if c := o.Account(t, callouttest.AppAccount); !c.SigningKeys.Contains(active(t, r, target)) {
				t.Error("on disk is a JWT without the active key")
			}
		})
	}
}

// A roll-back that was interrupted goes on as one.
func TestInterruptedRollback(t *testing.T) {
	t.Parallel()
	o, _, r := quickly(t, callouttest.OperatorConfig{})
	target := signingKey(callouttest.AppAccount, "")
	before := active(t, r, target)
	interrupt(t, r, target, keyring.StepAnnounce)
	cut, mend := failingDisk(o, r, func(x *keyring.Rotation) bool { return x.New == before })
	if _, err := cut.Rollback(t.Context()); err == nil {
		t.Fatal("not interrupted")
	}
	must(t, mend())
	letsIn(t, o)
	result, err := r.Resume(t.Context())
	must(t, err)
	if result.New != before || active(t, r, target) != before || len(result.Blockers) > 0 {
		t.Errorf("%+v", result)
	}
	letsIn(t, o)
}

// Somebody else's push takes the new key away before it is in use.
func TestForeignPush(t *testing.T) {
	t.Parallel()
	o, _, r := quickly(t, callouttest.OperatorConfig{})
	target := signingKey(callouttest.AppAccount, "")
	c := o.Account(t, callouttest.AppAccount) // as somebody else has it
	interrupt(t, r, target, keyring.StepAnnounce)
	announced := o.Account(t, callouttest.AppAccount)
	callouttest.Eventually(t, "the second is over", func() bool { return time.Now().Unix() > announced.IssuedAt })
	c.Tags.Add("edited")
	o.Push(t, callouttest.AppAccount, c)
	_, err := r.Resume(t.Context())
	must(t, err)
	letsIn(t, o)
	if now := o.Account(t, callouttest.AppAccount); !now.Tags.Contains("edited") || !now.SigningKeys.Contains(active(t, r, target)) {
		t.Errorf("%v %v", now.Tags, now.SigningKeys.Keys())
	}
}

// Killed after the old key was retired and before the rotation was struck out.
func TestRollbackWhatIsDone(t *testing.T) {
	t.Parallel()
	o, _, r := quickly(t, callouttest.OperatorConfig{})
	target := signingKey(callouttest.AppAccount, "")
	result, err := r.Rotate(t.Context(), target)
	must(t, err)
	s, err := keyring.ReadState(r.Dir, r.Config)
	must(t, err)
	s.Rotation = &keyring.Rotation{Kind: target.Kind, Account: target.Place.Account, Old: result.Old, New: result.New, Done: keyring.StepSwitch}
	must(t, keyring.Save(r.Dir, r.Config, s))
	if _, err := r.Rollback(t.Context()); !errors.Is(err, rotation.ErrDone) {
		t.Errorf("%v", err)
	}
	_, err = r.Resume(t.Context())
	must(t, err)
	_, err = keyring.Load(r.Dir, r.Config)
	must(t, err)
	letsIn(t, o)
}

// Who does not answer does not hold up a key that has to go.
func TestRetireNowDespiteOthers(t *testing.T) {
	t.Parallel()
	o, f, r := quickly(t, callouttest.OperatorConfig{})
	r.PickUp = time.Second
	r.Reports = func(ctx context.Context) ([]keyusage.Report, error) {
		reports, err := f.reports(ctx)
		return append(reports, keyusage.Report{Instance: "an usher that has another keyring"}), err
	}
	target := signingKey(callouttest.AppAccount, "")
	old := active(t, r, target)
	var wait *rotation.WaitError
	if _, err := r.Rotate(t.Context(), target); !errors.As(err, &wait) {
		t.Errorf("a rotation did not wait for it: %v", err)
	}
	_, err := r.Retire(t.Context(), old, true)
	must(t, err)
	fresh := active(t, r, target)
	if c := o.Account(t, callouttest.AppAccount); c.SigningKeys.Contains(old) || !c.SigningKeys.Contains(fresh) {
		t.Errorf("signing keys %v", c.SigningKeys.Keys())
	}
	callouttest.Eventually(t, "the usher that was not waited for uses the new key", func() bool {
		report := f.services[0].Report()
		key := report.Key(fresh)
		return key != nil && key.State == issuer.StateActive
	})
	letsIn(t, o)
}

// A seed that keyring.yaml does not name is in nobody's way.
func TestOrphanSeed(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]func() (nkeys.KeyPair, error){"account": nkeys.CreateAccount, "xkey": nkeys.CreateCurveKeys} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, r := quickly(t, callouttest.OperatorConfig{Sealed: true})
			kp, err := create()
			must(t, err)
			seed, err := kp.Seed()
			must(t, err)
			must(t, keyring.WriteSeed(filepath.Join(r.Dir, "orphan.nk"), seed, r.Config))
			for _, target := range []rotation.Target{signingKey(callouttest.AppAccount, ""), {Kind: issuer.KindXKey}} {
				_, err := r.Rotate(t.Context(), target)
				must(t, err)
			}
		})
	}
}

// An usher that has an older keyring signs with the old key still.
func TestRetireWhileAnotherSigns(t *testing.T) {
	t.Parallel()
	o, f, r := quickly(t, callouttest.OperatorConfig{})
	stale := t.TempDir()
	copyKeyring(t, o.Keyring, stale)
	nc, err := nats.Connect(o.URLs(), nats.Token("publisher-key"), callouttest.Patient())
	must(t, err)
	result, err := r.Rotate(t.Context(), signingKey(callouttest.AppAccount, ""))
	must(t, err)
	nc.Close()
	other := *o
	other.Keyring = stale
	late := callouttest.StartService(t, callouttest.ServiceConfig{Operator: &other, Directory: callouttest.Directory(callouttest.DirectoryText)})
	r.Reports = func(ctx context.Context) ([]keyusage.Report, error) {
		reports, err := f.reports(ctx)
		return append(reports, late.Report()), err
	}
	blockers, err := r.Retire(t.Context(), result.Old, false)
	must(t, err)
	if len(blockers) == 0 || !strings.Contains(strings.Join(blockers, "; "), "still has it as active") {
		t.Errorf("blockers %q", blockers)
	}
	letsIn(t, o)
}

func copyKeyring(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.CopyFS(to, os.DirFS(from)))
	files, err := filepath.Glob(filepath.Join(to, "*"))
	must(t, err)
	for _, f := range files {
		must(t, os.Chmod(f, 0o600))
	}
}

// In config mode a server that nobody could knock at has asked for the key a moment ago.
func TestRetireWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	old, fresh := callouttest.NewKeys(t), callouttest.NewKeys(t)
	a := callouttest.StartServer(t, callouttest.ServerConfig{Name: "n1", Keys: fresh, Cluster: true, Timeout: 3})
	b := callouttest.StartServer(t, callouttest.ServerConfig{Name: "n2", Keys: old, Cluster: true, Routes: []string{a.RouteURL()}, Timeout: 3})
	dir := callouttest.KeyringDir(t, false, old, fresh)
	s, err := keyring.ReadState(dir, keyring.Config{})
	must(t, err)
	s.Entry(old.Issuer).State = issuer.StateRetiring
	must(t, keyring.Save(dir, keyring.Config{}, s))
	f := newFleet(t, 1, callouttest.ServiceConfig{URLs: a.URL() + "," + b.URL(), Keyring: dir, Directory: callouttest.Directory(callouttest.DirectoryText)})
	r := &rotation.Rotator{
		Dir: dir, Now: time.Now, PickUp: 5 * time.Second, Wait: time.Second, Quiet: 300 * time.Millisecond,
		Say: func(line string) { t.Log(line) }, Reports: f.reports,
		Expecting: func(context.Context) ([]rotation.Expectation, error) {
			return []rotation.Expectation{{URL: a.URL(), Server: "n1", Issuer: fresh.Issuer}}, nil
		},
	}
	callouttest.Eventually(t, "n2 answers", func() bool { return getsIn(b.URL(), nats.Token("publisher-key")) == nil })
	blockers, err := r.Retire(t.Context(), old.Issuer, false)
	must(t, err)
	if len(blockers) != 1 || !strings.HasPrefix(blockers[0], "server n2 asked for it") {
		t.Errorf("blockers %q", blockers)
	}
}

// That nobody answers is not taken for nobody being there.
func TestNoReport(t *testing.T) {
	t.Parallel()
	_, _, r := quickly(t, callouttest.OperatorConfig{Sealed: true})
	r.PickUp = time.Second
	r.Reports = func(context.Context) ([]keyusage.Report, error) { return nil, nil }
	var wait *rotation.WaitError
	if _, err := r.Rotate(t.Context(), rotation.Target{Kind: issuer.KindXKey}); !errors.As(err, &wait) {
		t.Errorf("%v", err)
	}
	r.NoUsher = true
	_, err := r.Resume(t.Context())
	must(t, err)
}

// A server that does not show its sentinel may take one that the old key has signed.
func TestSentinelUnknown(t *testing.T) {
	t.Parallel()
	o, _, r := quickly(t, callouttest.OperatorConfig{})
	r.Wait = time.Second
	r.Expecting = func(context.Context) ([]rotation.Expectation, error) {
		return []rotation.Expectation{{URL: o.URLs(), Problem: "a client knocked, and the server did not ask"}}, nil
	}
	result, err := r.Rotate(t.Context(), signingKey(callouttest.CalloutAccount, ""))
	must(t, err)
	if len(result.Blockers) == 0 {
		t.Error("retired")
	}
}

// A person's change of keyring.yaml while a rotation waits is not lost.
func TestEditWhileWaiting(t *testing.T) {
	t.Parallel()
	o, _, r := quickly(t, callouttest.OperatorConfig{})
	nc, err := nats.Connect(o.URLs(), nats.Token("publisher-key"), callouttest.Patient())
	must(t, err)
	defer nc.Close()
	extra := callouttest.NewKeys(t)
	edited := false
	waiting := *r
	waiting.Reports = func(ctx context.Context) ([]keyusage.Report, error) {
		s, err := keyring.ReadState(r.Dir, r.Config)
		if must(t, err); !edited && s.Rotation.Done == keyring.StepSwitch {
			edited = true
			put(t, r, extra.IssuerSeed, keyring.Entry{
				PublicKey: extra.Issuer, Kind: issuer.KindSigning, Account: callouttest.OtherAccount, Scope: "hand", State: issuer.StateActive,
			})
		}
		return r.Reports(ctx)
	}
	if _, err := waiting.Rotate(t.Context(), signingKey(callouttest.AppAccount, "")); !errors.Is(err, rotation.ErrEdited) {
		t.Errorf("%v", err)
	}
	nc.Close()
	_, err = r.Resume(t.Context())
	must(t, err)
	s, err := keyring.ReadState(r.Dir, r.Config)
	must(t, err)
	if e := s.Entry(extra.Issuer); e == nil || e.State != issuer.StateActive || s.Rotation != nil {
		t.Errorf("%+v %+v", e, s.Rotation)
	}
}

// A server that was there a moment ago and is not now is waited for, unless it is gone
// for good: it would come back with the JWT that it had.
func TestServerAway(t *testing.T) {
	t.Parallel()
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Servers: 3})
	f := newFleet(t, 1, callouttest.ServiceConfig{Operator: o, Directory: callouttest.Directory(callouttest.DirectoryText)})
	r := operatorRotator(t, o, f)
	r.Wait, r.Quiet = time.Second, 300*time.Millisecond
	for _, s := range o.Servers {
		must(t, getsIn(s.URL(), nats.Token("publisher-key")))
	}
	o.Servers[2].Stop()
	callouttest.Eventually(t, "it is gone", func() bool {
		servers, err := r.Operator.Cluster.Servers(t.Context())
		return err == nil && len(servers) == 2
	})
	target := signingKey(callouttest.AppAccount, "")
	var wait *rotation.WaitError
	if _, err := r.Rotate(t.Context(), target); !errors.As(err, &wait) || !strings.HasPrefix(wait.Missing[0], "server n3 was there") {
		t.Errorf("%v", err)
	}
	r.Without = []string{"n3"}
	result, err := r.Resume(t.Context())
	must(t, err)
	if len(result.Blockers) > 0 {
		t.Errorf("%+v", result)
	}
	o.Servers[2].Start(t) // for the end of the test, which stops it
}

// What a wrong key of the operator would end later ends at once.
func TestWrongOperatorKey(t *testing.T) {
	t.Parallel()
	o, _, r := quickly(t, callouttest.OperatorConfig{})
	before, err := os.ReadFile(filepath.Join(o.Keyring, keyring.StateFile))
	must(t, err)
	r.Operator.Signer, err = nkeys.CreateOperator()
	must(t, err)
	if _, err := r.Rotate(t.Context(), signingKey(callouttest.AppAccount, "")); err == nil {
		t.Error("begun")
	}
	after, err := os.ReadFile(filepath.Join(o.Keyring, keyring.StateFile))
	must(t, err)
	if string(after) != string(before) {
		t.Error("keyring.yaml was changed")
	}
}

// A rotation that is signed by a key that the servers do not trust ends before
// anything is made, pushed or retired: case 3 from the field. The account is not in
// use, so that the servers would take whatever was pushed.
//
// Attack: a rotation signed with an operator key that the servers do not trust locks an account out
// Held by: rotate, push and retire compare with every server's trusted_operators_jwt before anything is pushed or retired
func TestRotateUntrusted(t *testing.T) {
	t.Parallel()
	o, _, r := quickly(t, callouttest.OperatorConfig{})
	target := signingKey(callouttest.AppAccount, "")
	before, err := os.ReadFile(filepath.Join(o.Keyring, keyring.StateFile))
	must(t, err)
	o.ReplaceSigningKey(t)
	r.Operator.Signer = o.SigningKey
	var untrusted *operator.TrustError
	for _, err := range []error{
		func() error { _, err := r.Rotate(t.Context(), target); return err }(),
		func() error { _, err := r.Retire(t.Context(), active(t, r, target), true); return err }(),
	} {
		if !errors.As(err, &untrusted) || operator.Names(untrusted.Untrusted) != "n1" {
			t.Errorf("%v", err)
		}
	}
	if after, err := os.ReadFile(filepath.Join(o.Keyring, keyring.StateFile)); err != nil || string(after) != string(before) {
		t.Errorf("keyring.yaml was changed (%v)", err)
	}
	must(t, getsIn(o.URLs(), nats.Token("publisher-key")))
}

// What was pushed with such a key before is signed again by one that is trusted,
// though it says what it should already, and everybody is let in again.
func TestResumeUntrusted(t *testing.T) {
	t.Parallel()
	o, _, r := quickly(t, callouttest.OperatorConfig{})
	trusted, next := o.SigningKey, callouttest.NewKeys(t)
	s, err := keyring.ReadState(r.Dir, r.Config)
	must(t, err)
	must(t, keyring.WriteSeed(filepath.Join(r.Dir, "next.nk"), []byte(next.IssuerSeed), r.Config))
	s.Keys = append(s.Keys, keyring.Entry{
		PublicKey: next.Issuer, Kind: issuer.KindSigning, Account: callouttest.AppAccount, File: "next.nk", State: issuer.StateNext,
	})
	must(t, keyring.Save(r.Dir, r.Config, s))
	c := o.Account(t, callouttest.AppAccount)
	c.SigningKeys.Add(next.Issuer)
	o.ReplaceSigningKey(t)
	o.Push(t, callouttest.AppAccount, c) // past usher
	if err := getsIn(o.URLs(), nats.Token("publisher-key")); err == nil {
		t.Fatal("the server goes by a JWT that it does not trust: this test shows nothing")
	}
	r.Operator.Signer = trusted
	r.Wait, r.Pinned = 0, func(string) []string { return []string{"pinned"} } // the old key stays
	_, err = r.Rotate(t.Context(), signingKey(callouttest.AppAccount, ""))
	must(t, err)
	must(t, getsIn(o.URLs(), nats.Token("publisher-key")))
}
