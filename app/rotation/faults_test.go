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

// fastSite is a site whose rotations have short timeouts.
func fastSite(t *testing.T, cfg callouttest.OperatorConfig) (*callouttest.Operator, *fleet, *rotation.Rotator) {
	t.Helper()
	o, f, r := site(t, cfg)
	r.Wait, r.IdlePeriod, r.ReloadTimeout = 3*time.Second, 300*time.Millisecond, 5*time.Second
	return o, f, r
}

// checkConnects checks that a client of APP can connect.
func checkConnects(t *testing.T, o *callouttest.Operator) {
	t.Helper()
	must(t, connects(o.URLs(), nats.Token("publisher-key")))
}

// scopedSite is a site with a scoped role whose template allows little.
func scopedSite(t *testing.T) (*callouttest.Operator, *rotation.Rotator, rotation.Target) {
	t.Helper()
	template := jwt.UserPermissionLimits{Limits: jwt.Limits{NatsLimits: jwt.NatsLimits{Subs: -1, Data: -1, Payload: -1}}}
	template.Pub.Allow.Add("only.{{name()}}")
	template.Sub.Allow.Add("_INBOX_{{name()}}.>")
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Scoped: map[string]jwt.UserPermissionLimits{"publisher": template}})
	f := newFleet(t, 1, callouttest.ServiceConfig{
		Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		Scoped: []permissions.ScopedRole{{Account: callouttest.AppAccount, Role: "publisher"}},
	})
	r := operatorRotator(t, o, f)
	r.Wait, r.IdlePeriod = 3*time.Second, 300*time.Millisecond
	return o, r, signingKey(callouttest.AppAccount, "publisher")
}

// A scoped key is never replaced by a key without a scope. The user JWTs of a scoped
// role have no permissions of their own, so that clients could do everything.
func TestScopeIsKept(t *testing.T) {
	t.Parallel()
	t.Run("old key gone from the JWT", func(t *testing.T) {
		t.Parallel()
		o, r, target := scopedSite(t)
		old := active(t, r, target)
		c := o.ReadAccount(t, callouttest.AppAccount)
		c.SigningKeys.Remove(old)
		o.PushAccount(t, callouttest.AppAccount, c)
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
		addKey(t, r, next.IssuerSeed, keyring.Entry{
			PublicKey: next.Issuer, Kind: issuer.KindSigning, Account: callouttest.AppAccount, Scope: "publisher", State: issuer.StateNext,
		})
		c := o.ReadAccount(t, callouttest.AppAccount)
		c.SigningKeys.Add(next.Issuer)
		o.PushAccount(t, callouttest.AppAccount, c)
		_, err := r.Rotate(t.Context(), target)
		if !errors.Is(err, operator.ErrUnscoped) || active(t, r, target) != old {
			t.Errorf("%v", err)
		}
	})
}

// addKey adds a seed and its entry to the keyring.
func addKey(t *testing.T, r *rotation.Rotator, seed string, e keyring.Entry) {
	t.Helper()
	e.File = "added.nk"
	must(t, keyring.WriteSeed(filepath.Join(r.Dir, e.File), []byte(seed), r.Config))
	s, err := keyring.ReadState(r.Dir, r.Config)
	must(t, err)
	s.Keys = slices.DeleteFunc(s.Keys, func(x keyring.Entry) bool { return x.PublicKey == e.PublicKey })
	s.Keys = append(s.Keys, e)
	must(t, keyring.Save(r.Dir, r.Config, s))
}

// failingDisk returns a Rotator for which the JWTs on disk become unwritable once when
// returns true, and a function that repairs that.
func failingDisk(o *callouttest.Operator, r *rotation.Rotator, when func(*keyring.Rotation) bool) (failing *rotation.Rotator, repair func() error) {
	accounts := filepath.Join(o.JWTDir, "accounts")
	fails := *r
	fails.Reports = func(ctx context.Context) ([]keyusage.Report, error) {
		if s, err := keyring.ReadState(r.Dir, r.Config); err == nil && s.Rotation != nil && when(s.Rotation) {
			_ = os.Rename(accounts, accounts+"-away")
		}
		return r.Reports(ctx)
	}
	return &fails, func() error { return os.Rename(accounts+"-away", accounts) }
}

// A retirement that was pushed but not recorded can be resumed or rolled back, and the
// servers get the JWT that they need.
func TestInterruptedAfterRetirePushed(t *testing.T) {
	t.Parallel()
	for _, resume := range []bool{true, false} {
		t.Run(map[bool]string{true: "resumed", false: "rolled back"}[resume], func(t *testing.T) {
			t.Parallel()
			o, _, r := fastSite(t, callouttest.OperatorConfig{})
			target := signingKey(callouttest.AppAccount, "")
			failing, repair := failingDisk(o, r, func(x *keyring.Rotation) bool { return x.Done == keyring.StepSwitch })
			if _, err := failing.Rotate(t.Context(), target); err == nil {
				t.Fatal("not interrupted")
			}
			must(t, repair())
			checkConnects(t, o)
			finish := r.Resume
			if !resume {
				finish = r.Rollback
			}
			result, err := finish(t.Context())
			must(t, err)
			if len(result.Blockers) > 0 {
				t.Errorf("%+v", result)
			}
			checkConnects(t, o)
			if c := o.ReadAccount(t, callouttest.AppAccount); !c.SigningKeys.Contains(active(t, r, target)) {
				t.Error("the JWT on disk does not have the active key")
			}
		})
	}
}

// An interrupted roll-back is resumed as a roll-back.
func TestInterruptedRollback(t *testing.T) {
	t.Parallel()
	o, _, r := fastSite(t, callouttest.OperatorConfig{})
	target := signingKey(callouttest.AppAccount, "")
	before := active(t, r, target)
	interrupt(t, r, target, keyring.StepAnnounce)
	failing, repair := failingDisk(o, r, func(x *keyring.Rotation) bool { return x.New == before })
	if _, err := failing.Rollback(t.Context()); err == nil {
		t.Fatal("not interrupted")
	}
	must(t, repair())
	checkConnects(t, o)
	result, err := r.Resume(t.Context())
	must(t, err)
	if result.New != before || active(t, r, target) != before || len(result.Blockers) > 0 {
		t.Errorf("%+v", result)
	}
	checkConnects(t, o)
}

// Somebody else pushes an account JWT without the new key, before the key is in use.
func TestConcurrentPush(t *testing.T) {
	t.Parallel()
	o, _, r := fastSite(t, callouttest.OperatorConfig{})
	target := signingKey(callouttest.AppAccount, "")
	c := o.ReadAccount(t, callouttest.AppAccount) // the version that is pushed later
	interrupt(t, r, target, keyring.StepAnnounce)
	announced := o.ReadAccount(t, callouttest.AppAccount)
	callouttest.Eventually(t, "the next second", func() bool { return time.Now().Unix() > announced.IssuedAt })
	c.Tags.Add("edited")
	o.PushAccount(t, callouttest.AppAccount, c)
	_, err := r.Resume(t.Context())
	must(t, err)
	checkConnects(t, o)
	if now := o.ReadAccount(t, callouttest.AppAccount); !now.Tags.Contains("edited") || !now.SigningKeys.Contains(active(t, r, target)) {
		t.Errorf("%v %v", now.Tags, now.SigningKeys.Keys())
	}
}

// The process was killed after the old key was retired and before the rotation was
// removed from keyring.yaml.
func TestRollbackAfterRetire(t *testing.T) {
	t.Parallel()
	o, _, r := fastSite(t, callouttest.OperatorConfig{})
	target := signingKey(callouttest.AppAccount, "")
	result, err := r.Rotate(t.Context(), target)
	must(t, err)
	s, err := keyring.ReadState(r.Dir, r.Config)
	must(t, err)
	s.Rotation = &keyring.Rotation{Kind: target.Kind, Account: target.Place.Account, Old: result.Old, New: result.New, Done: keyring.StepSwitch}
	must(t, keyring.Save(r.Dir, r.Config, s))
	if _, err := r.Rollback(t.Context()); !errors.Is(err, rotation.ErrNoRollback) {
		t.Errorf("%v", err)
	}
	_, err = r.Resume(t.Context())
	must(t, err)
	_, err = keyring.Load(r.Dir, r.Config)
	must(t, err)
	checkConnects(t, o)
}

// An usher that does not load the keyring does not delay Retire with now.
func TestRetireNowDoesNotWait(t *testing.T) {
	t.Parallel()
	o, f, r := fastSite(t, callouttest.OperatorConfig{})
	r.ReloadTimeout = time.Second
	r.Reports = func(ctx context.Context) ([]keyusage.Report, error) {
		reports, err := f.reports(ctx)
		return append(reports, keyusage.Report{Instance: "an usher that has another keyring"}), err
	}
	target := signingKey(callouttest.AppAccount, "")
	old := active(t, r, target)
	var wait *rotation.WaitError
	if _, err := r.Rotate(t.Context(), target); !errors.As(err, &wait) {
		t.Errorf("the rotation did not wait: %v", err)
	}
	_, err := r.Retire(t.Context(), old, true)
	must(t, err)
	next := active(t, r, target)
	if c := o.ReadAccount(t, callouttest.AppAccount); c.SigningKeys.Contains(old) || !c.SigningKeys.Contains(next) {
		t.Errorf("signing keys %v", c.SigningKeys.Keys())
	}
	callouttest.Eventually(t, "the usher uses the new key", func() bool {
		report := f.services[0].Report()
		key := report.Key(next)
		return key != nil && key.State == issuer.StateActive
	})
	checkConnects(t, o)
}

// A seed that keyring.yaml does not list does not block a rotation.
func TestUnlistedSeed(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]func() (nkeys.KeyPair, error){"account": nkeys.CreateAccount, "xkey": nkeys.CreateCurveKeys} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, r := fastSite(t, callouttest.OperatorConfig{Sealed: true})
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

// A key is not retired while an usher with an older keyring signs with it.
func TestRetireWithStaleUsher(t *testing.T) {
	t.Parallel()
	o, f, r := fastSite(t, callouttest.OperatorConfig{})
	stale := t.TempDir()
	copyKeyring(t, o.Keyring, stale)
	nc, err := nats.Connect(o.URLs(), nats.Token("publisher-key"), callouttest.ConnectTimeout())
	must(t, err)
	result, err := r.Rotate(t.Context(), signingKey(callouttest.AppAccount, ""))
	must(t, err)
	nc.Close()
	other := *o
	other.Keyring = stale
	staleUsher := callouttest.StartService(t, callouttest.ServiceConfig{Operator: &other, Directory: callouttest.WithDigests(callouttest.DirectoryYAML)})
	r.Reports = func(ctx context.Context) ([]keyusage.Report, error) {
		reports, err := f.reports(ctx)
		return append(reports, staleUsher.Report()), err
	}
	blockers, err := r.Retire(t.Context(), result.Old, false)
	must(t, err)
	if len(blockers) == 0 || !strings.Contains(strings.Join(blockers, "; "), "still has it as active") {
		t.Errorf("blockers %q", blockers)
	}
	checkConnects(t, o)
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

// In config mode a key is not retired while a server that cannot be probed asks for it.
func TestRetireRequestedKey(t *testing.T) {
	t.Parallel()
	old, fresh := callouttest.NewKeys(t), callouttest.NewKeys(t)
	a := callouttest.StartServer(t, callouttest.ServerConfig{Name: "n1", Keys: fresh, Cluster: true, Timeout: 3})
	b := callouttest.StartServer(t, callouttest.ServerConfig{Name: "n2", Keys: old, Cluster: true, Routes: []string{a.RouteURL()}, Timeout: 3})
	r := retiringKeyring(t, old, fresh)
	r.Reports = newFleet(t, 1, callouttest.ServiceConfig{
		URLs: a.URL() + "," + b.URL(), Keyring: r.Dir, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	}).reports
	r.Probe = func(context.Context) ([]rotation.Expectation, error) {
		return []rotation.Expectation{{URL: a.URL(), Server: "n1", Issuer: fresh.Issuer}}, nil
	}
	callouttest.Eventually(t, "n2 answers", func() bool { return connects(b.URL(), nats.Token("publisher-key")) == nil })
	blockers, err := r.Retire(t.Context(), old.Issuer, false)
	must(t, err)
	if len(blockers) != 1 || !strings.HasPrefix(blockers[0], "server n2 asked for it") {
		t.Errorf("blockers %q", blockers)
	}
}

// Without a running usher a rotation fails early and changes nothing, unless NoUsher is
// set. The same holds for a rotation that is resumed or rolled back.
func TestNoUsher(t *testing.T) {
	t.Parallel()
	_, _, r := fastSite(t, callouttest.OperatorConfig{Sealed: true})
	target := rotation.Target{Kind: issuer.KindXKey}
	var progress []string
	alone := *r
	alone.ReloadTimeout = time.Second
	alone.Progress = func(line string) { progress = append(progress, line) }
	asked := 0
	alone.Reports = func(context.Context) ([]keyusage.Report, error) { asked++; return nil, nil }
	before, err := os.ReadFile(filepath.Join(r.Dir, keyring.StateFile))
	must(t, err)
	if _, err := alone.Rotate(t.Context(), target); !errors.Is(err, rotation.ErrNoUsher) {
		t.Errorf("rotate: %v", err)
	}
	after, err := os.ReadFile(filepath.Join(r.Dir, keyring.StateFile))
	must(t, err)
	if string(after) != string(before) {
		t.Error("keyring.yaml was changed")
	}
	if !slices.Equal(progress, []string{"waiting for a running usher: none answers"}) || asked < 2 {
		t.Errorf("asked %d times, said %q", asked, progress)
	}
	interrupt(t, r, target, keyring.StepAdd)
	if _, err := alone.Resume(t.Context()); !errors.Is(err, rotation.ErrNoUsher) {
		t.Errorf("resume: %v", err)
	}
	if _, err := alone.Rollback(t.Context()); !errors.Is(err, rotation.ErrNoUsher) {
		t.Errorf("roll back: %v", err)
	}
	alone.NoUsher = true
	_, err = alone.Resume(t.Context())
	must(t, err)
}

// An usher that has yet to reload the keyring after a key is retired is no failure, and
// the progress does not read like one.
func TestRetiredKeyStillLoaded(t *testing.T) {
	t.Parallel()
	old, next := callouttest.NewKeys(t), callouttest.NewKeys(t)
	r := retiringKeyring(t, old, next)
	r.ReloadTimeout = 200 * time.Millisecond
	var progress []string
	r.Progress = func(line string) { progress = append(progress, line) }
	r.Reports = func(context.Context) ([]keyusage.Report, error) {
		return []keyusage.Report{{Instance: "a1", Keys: []keyusage.KeyUse{{PublicKey: old.Issuer, Kind: issuer.KindIssuer, State: issuer.StateRetiring}}}}, nil
	}
	_, err := r.Retire(t.Context(), old.Issuer, false)
	must(t, err)
	at := slices.Index(progress, "retired "+old.Issuer)
	if at < 0 || !slices.Equal(progress[at+1:], []string{
		"running ushers unload the key when they reload the keyring; waiting for a1",
		"the key is retired; these ushers have yet to reload the keyring: a1",
	}) {
		t.Errorf("said %q", progress)
	}
}

// A key that is used several times in one second, as the reports count it, is in use
// until the last of them.
func TestRetireSeesUsesWithinOneSecond(t *testing.T) {
	t.Parallel()
	old, next := callouttest.NewKeys(t), callouttest.NewKeys(t)
	r := retiringKeyring(t, old, next)
	r.Wait = 20 * time.Second
	last := time.Now().UTC().Truncate(time.Second)
	end := time.Now().Add(3 * r.IdlePeriod) // of the use of the key
	uses := uint64(1)
	var lastUse time.Time
	r.Reports = func(context.Context) ([]keyusage.Report, error) {
		if now := time.Now(); now.Before(end) {
			uses++
			lastUse = now
		}
		return []keyusage.Report{{Instance: "a1", Keys: []keyusage.KeyUse{{PublicKey: old.Issuer, Kind: issuer.KindIssuer, Last: &last, LastHour: uses}}}}, nil
	}
	blockers, err := r.Retire(t.Context(), old.Issuer, false)
	must(t, err)
	if unused := time.Since(lastUse); len(blockers) > 0 || unused < r.IdlePeriod {
		t.Errorf("retired %s after the last use, blockers %q", unused, blockers)
	}
}

// retiringKeyring returns a Rotator of config mode for a keyring in which next has
// replaced old. No usher and no server runs.
func retiringKeyring(t *testing.T, old, next callouttest.Keys) *rotation.Rotator {
	t.Helper()
	dir := callouttest.KeyringDir(t, false, old, next)
	s, err := keyring.ReadState(dir, keyring.Config{})
	must(t, err)
	s.Entry(old.Issuer).State = issuer.StateRetiring
	must(t, keyring.Save(dir, keyring.Config{}, s))
	return &rotation.Rotator{
		Dir: dir, Now: time.Now, ReloadTimeout: 5 * time.Second, Wait: time.Second, IdlePeriod: 300 * time.Millisecond,
		Progress: func(line string) { t.Log(line) },
		Probe:    func(context.Context) ([]rotation.Expectation, error) { return nil, nil },
	}
}

// The signer of a server's sentinel is unknown, so the old key may have signed it.
func TestSentinelUnknown(t *testing.T) {
	t.Parallel()
	o, _, r := fastSite(t, callouttest.OperatorConfig{})
	r.Wait = time.Second
	r.Probe = func(context.Context) ([]rotation.Expectation, error) {
		return []rotation.Expectation{{URL: o.URLs(), Problem: "the server sent no request for the probe"}}, nil
	}
	result, err := r.Rotate(t.Context(), signingKey(callouttest.CalloutAccount, ""))
	must(t, err)
	if len(result.Blockers) == 0 {
		t.Error("retired")
	}
}

// An edit of keyring.yaml while a rotation waits is not lost.
func TestEditWhileWaiting(t *testing.T) {
	t.Parallel()
	o, _, r := fastSite(t, callouttest.OperatorConfig{})
	nc, err := nats.Connect(o.URLs(), nats.Token("publisher-key"), callouttest.ConnectTimeout())
	must(t, err)
	defer nc.Close()
	extra := callouttest.NewKeys(t)
	edited := false
	waiting := *r
	waiting.Reports = func(ctx context.Context) ([]keyusage.Report, error) {
		s, err := keyring.ReadState(r.Dir, r.Config)
		if must(t, err); !edited && s.Rotation != nil && s.Rotation.Done == keyring.StepSwitch {
			edited = true
			addKey(t, r, extra.IssuerSeed, keyring.Entry{
				PublicKey: extra.Issuer, Kind: issuer.KindSigning, Account: callouttest.OtherAccount, Scope: "hand", State: issuer.StateActive,
			})
		}
		return r.Reports(ctx)
	}
	if _, err := waiting.Rotate(t.Context(), signingKey(callouttest.AppAccount, "")); !errors.Is(err, rotation.ErrConcurrentEdit) {
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

// A rotation waits for a server that has stopped recently, because it would come back
// with its old account JWT. IgnoredServers names a server that is gone for good.
func TestServerStopped(t *testing.T) {
	t.Parallel()
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{Servers: 3})
	f := newFleet(t, 1, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML)})
	r := operatorRotator(t, o, f)
	r.Wait, r.IdlePeriod = time.Second, 300*time.Millisecond
	for _, s := range o.Servers {
		must(t, connects(s.URL(), nats.Token("publisher-key")))
	}
	o.Servers[2].Stop()
	callouttest.Eventually(t, "two servers are left", func() bool {
		servers, err := r.Operator.Cluster.Servers(t.Context())
		return err == nil && len(servers) == 2
	})
	target := signingKey(callouttest.AppAccount, "")
	var wait *rotation.WaitError
	if _, err := r.Rotate(t.Context(), target); !errors.As(err, &wait) || !strings.HasPrefix(wait.Missing[0], "server n3 sent a request") {
		t.Errorf("%v", err)
	}
	r.IgnoredServers = []string{"n3"}
	result, err := r.Resume(t.Context())
	must(t, err)
	if len(result.Blockers) > 0 {
		t.Errorf("%+v", result)
	}
	o.Servers[2].Start(t) // the cleanup stops it
}

// A rotation with a wrong operator key fails before anything is changed.
func TestWrongOperatorKey(t *testing.T) {
	t.Parallel()
	o, _, r := fastSite(t, callouttest.OperatorConfig{})
	before, err := os.ReadFile(filepath.Join(o.Keyring, keyring.StateFile))
	must(t, err)
	r.Operator.Signer, err = nkeys.CreateOperator()
	must(t, err)
	if _, err := r.Rotate(t.Context(), signingKey(callouttest.AppAccount, "")); err == nil {
		t.Error("the rotation began")
	}
	after, err := os.ReadFile(filepath.Join(o.Keyring, keyring.StateFile))
	must(t, err)
	if string(after) != string(before) {
		t.Error("keyring.yaml was changed")
	}
}

// A rotation with an operator key that the servers do not trust fails before anything is
// created, pushed or retired. The account is not in use, so that the servers would
// accept any JWT that was pushed.
//
// Attack: a rotation signed with an operator key that the servers do not trust locks an account out
// Held by: rotate, push and retire compare the key with every server's trusted_operators_jwt before they change anything
func TestRotateUntrusted(t *testing.T) {
	t.Parallel()
	o, _, r := fastSite(t, callouttest.OperatorConfig{})
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
	must(t, connects(o.URLs(), nats.Token("publisher-key")))
}

// An account JWT that such a key has signed is signed again with a trusted key, even if
// its content is right. Then clients can connect again.
func TestResumeUntrusted(t *testing.T) {
	t.Parallel()
	o, _, r := fastSite(t, callouttest.OperatorConfig{})
	trusted, next := o.SigningKey, callouttest.NewKeys(t)
	s, err := keyring.ReadState(r.Dir, r.Config)
	must(t, err)
	must(t, keyring.WriteSeed(filepath.Join(r.Dir, "next.nk"), []byte(next.IssuerSeed), r.Config))
	s.Keys = append(s.Keys, keyring.Entry{
		PublicKey: next.Issuer, Kind: issuer.KindSigning, Account: callouttest.AppAccount, File: "next.nk", State: issuer.StateNext,
	})
	must(t, keyring.Save(r.Dir, r.Config, s))
	c := o.ReadAccount(t, callouttest.AppAccount)
	c.SigningKeys.Add(next.Issuer)
	o.ReplaceSigningKey(t)
	o.PushAccount(t, callouttest.AppAccount, c) // without usher
	if err := connects(o.URLs(), nats.Token("publisher-key")); err == nil {
		t.Fatal("the server uses a JWT that it does not trust, so this test shows nothing")
	}
	r.Operator.Signer = trusted
	r.Wait, r.Dependents = 0, func(string) []string { return []string{"pinned"} } // the old key stays
	_, err = r.Rotate(t.Context(), signingKey(callouttest.AppAccount, ""))
	must(t, err)
	must(t, connects(o.URLs(), nats.Token("publisher-key")))
}
