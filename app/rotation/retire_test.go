package rotation_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/rotation"
	"usher/callout/callouttest"
	"usher/callout/keyusage"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// site starts one server in operator mode and one usher.
func site(t *testing.T, cfg callouttest.OperatorConfig) (*callouttest.Operator, *fleet, *rotation.Rotator) {
	t.Helper()
	o := callouttest.StartOperator(t, cfg)
	f := newFleet(t, 1, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML)})
	r := operatorRotator(t, o, f)
	r.Wait = time.Second
	return o, f, r
}

// A key whose user JWTs are in use is not retired, because nats-server would close
// those connections. With now it is, and the clients reconnect with the new key.
func TestRetireWhileInUse(t *testing.T) {
	t.Parallel()
	o, f, r := site(t, callouttest.OperatorConfig{})
	closed, reconnected := make(chan error, 8), make(chan bool, 8)
	nc, err := nats.Connect(o.URLs(), nats.Token("publisher-key"), callouttest.ConnectTimeout(), nats.ReconnectWait(50*time.Millisecond), nats.MaxReconnects(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { closed <- err }),
		nats.ReconnectHandler(func(*nats.Conn) { reconnected <- true }))
	must(t, err)
	defer nc.Close()
	result, err := r.Rotate(t.Context(), signingKey(callouttest.AppAccount, ""))
	must(t, err)
	if result.Done != keyring.StepSwitch || len(result.Blockers) != 1 || !strings.HasPrefix(result.Blockers[0], "1 connection in APP") {
		t.Errorf("%+v", result)
	}
	r.Reports = func(ctx context.Context) ([]keyusage.Report, error) {
		reports, err := f.reports(ctx)
		reports[0].Sealed = map[string]int{result.Old: 2, result.New: 3}
		return reports, err
	}
	blockers, err := r.Retire(t.Context(), result.Old, false)
	must(t, err)
	if len(blockers) != 2 || !strings.HasPrefix(blockers[1], "only it opens 2 authorization headers of push endpoints, says usher ") || len(closed) > 0 {
		t.Errorf("blockers %q, closed %d", blockers, len(closed))
	}
	if _, err := r.Retire(t.Context(), result.New, false); !errors.Is(err, rotation.ErrActive) {
		t.Errorf("an active key: %v", err)
	}
	_, err = r.Retire(t.Context(), result.Old, true)
	must(t, err)
	select {
	case <-reconnected:
	case <-time.After(30 * time.Second):
		t.Fatal("the client did not reconnect")
	}
	if err := <-closed; errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("refused: %v", err)
	}
	if _, err := r.Retire(t.Context(), result.Old, false); !errors.Is(err, rotation.ErrRetired) {
		t.Errorf("a retired key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(o.Keyring, ".retired", "APP.nk")); err != nil {
		t.Error(err)
	}
}

// A compromised key is replaced and retired at once, and every server refuses what it
// signs.
func TestRetireNow(t *testing.T) {
	t.Parallel()
	for _, account := range []string{callouttest.AppAccount, callouttest.CalloutAccount} {
		t.Run(account, func(t *testing.T) {
			t.Parallel()
			o := callouttest.StartOperator(t, callouttest.OperatorConfig{Servers: 3})
			f := newFleet(t, 1, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML)})
			r := operatorRotator(t, o, f)
			stolen := t.TempDir()
			copyKeyring(t, o.Keyring, stolen)
			_, err := r.Retire(t.Context(), active(t, r, signingKey(account, "")), true)
			must(t, err)
			for _, s := range o.Servers {
				must(t, connects(s.URL(), nats.Token("publisher-key")))
			}
			// The attacker answers in place of usher, with the stolen keyring.
			f.services[0].Stop(t)
			attacker := *o
			attacker.Keyring = stolen
			callouttest.StartService(t, callouttest.ServiceConfig{Operator: &attacker, Directory: callouttest.WithDigests(callouttest.DirectoryYAML)})
			for _, s := range o.Servers {
				if err := connects(s.URL(), nats.Token("publisher-key")); !errors.Is(err, nats.ErrAuthorization) {
					t.Errorf("%s accepts what the old key has signed: %v", s.Name, err)
				}
			}
		})
	}
}

// A rotation that is interrupted after any step can be resumed or rolled back.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, target := range []rotation.Target{{Kind: issuer.KindXKey}, signingKey(callouttest.CalloutAccount, "")} {
		for _, step := range []keyring.Step{"", keyring.StepAdd, keyring.StepAnnounce} {
			for _, resume := range []bool{true, false} {
				name := target.String() + " after " + string(step) + map[bool]string{true: " resumed", false: " rolled back"}[resume]
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					o, _, r := site(t, callouttest.OperatorConfig{Sealed: true})
					r.Wait, r.IdlePeriod = 10*time.Second, 300*time.Millisecond
					before := active(t, r, target)
					interrupt(t, r, target, step)
					if _, err := r.Rotate(t.Context(), target); !errors.Is(err, rotation.ErrInProgress) {
						t.Errorf("a second rotation: %v", err)
					}
					must(t, connects(o.URLs(), nats.Token("publisher-key")))
					finish := r.Resume
					if !resume {
						finish = r.Rollback
					}
					result, err := finish(t.Context())
					must(t, err)
					if len(result.Blockers) > 0 || (active(t, r, target) == before) == resume {
						t.Errorf("%+v", result)
					}
					must(t, connects(o.URLs(), nats.Token("publisher-key")))
					if _, err := finish(t.Context()); !errors.Is(err, rotation.ErrNotInProgress) {
						t.Errorf("a second time: %v", err)
					}
				})
			}
		}
	}
}

// interrupt begins a rotation and cancels it before the switch. It then records done as
// the last completed step, as if the process had been killed before it could record a
// later one.
func interrupt(t *testing.T, r *rotation.Rotator, target rotation.Target, done keyring.Step) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	interrupted := *r
	interrupted.Reports = func(ctx context.Context) ([]keyusage.Report, error) {
		if s, err := keyring.ReadState(r.Dir, r.Config); err != nil || s.Rotation != nil && s.Rotation.Done == keyring.StepAnnounce {
			cancel()
			return nil, context.Canceled
		}
		return r.Reports(ctx)
	}
	if _, err := interrupted.Rotate(ctx, target); !errors.Is(err, context.Canceled) {
		t.Fatalf("the rotation was not interrupted: %v", err)
	}
	s, err := keyring.ReadState(r.Dir, r.Config)
	must(t, err)
	s.Rotation.Done = done
	must(t, keyring.Save(r.Dir, r.Config, s))
}

func TestConcurrentRotations(t *testing.T) {
	t.Parallel()
	o, f, r := site(t, callouttest.OperatorConfig{})
	started, resume := make(chan bool), make(chan bool)
	first := *r
	var once sync.Once
	first.Reports = func(ctx context.Context) ([]keyusage.Report, error) {
		once.Do(func() { started <- true; <-resume })
		return f.reports(ctx)
	}
	done := make(chan error, 1)
	go func() {
		_, err := first.Rotate(t.Context(), signingKey(callouttest.AppAccount, ""))
		done <- err
	}()
	<-started
	if _, err := r.Rotate(t.Context(), signingKey(callouttest.OtherAccount, "")); !errors.Is(err, keyring.ErrLocked) {
		t.Errorf("a second rotation: %v", err)
	}
	close(resume)
	must(t, <-done)
	must(t, connects(o.URLs(), nats.Token("publisher-key")))
}

// A resolver that does not answer a push stops a rotation before the new key is used.
func TestUnresponsiveResolver(t *testing.T) {
	t.Parallel()
	o, _, r := site(t, callouttest.OperatorConfig{Memory: true})
	r.Operator.Cluster = operator.NewCluster(o.ConnectSystem(t), 2*time.Second) // the push waits for it that long
	target := signingKey(callouttest.AppAccount, "")
	before := active(t, r, target)
	must(t, connects(o.URLs(), nats.Token("publisher-key"))) // the server has loaded the account
	_, err := r.Rotate(t.Context(), target)
	var push *operator.PushError
	if !errors.As(err, &push) || len(push.Unresponsive) != 1 {
		t.Errorf("%v", err)
	}
	if now := active(t, r, target); now != before {
		t.Errorf("active is %s", now)
	}
	if _, err := r.Resume(t.Context()); !errors.As(err, &push) {
		t.Errorf("resumed without the resolver: %v", err)
	}
	// No server has the new key, so the roll-back has nothing to push.
	_, err = r.Rollback(t.Context())
	must(t, err)
	must(t, connects(o.URLs(), nats.Token("publisher-key")))
}

// A key of an external program is only replaced by a key that was added to keyring.yaml
// in state next.
func TestRotateExternalKey(t *testing.T) {
	t.Parallel()
	o, _, r := site(t, callouttest.OperatorConfig{})
	target := signingKey(callouttest.OtherAccount, "")
	s, err := keyring.ReadState(r.Dir, r.Config)
	must(t, err)
	old, err := rotation.ActiveKey(s, target)
	must(t, err)
	old.File, old.Command = "", []string{"sign-with-a-program-that-never-runs"}
	successor := callouttest.NewKeys(t)
	must(t, os.Remove(filepath.Join(r.Dir, "OTHER.nk")))
	must(t, keyring.Save(r.Dir, r.Config, s))
	if _, err := r.Rotate(t.Context(), target); !errors.Is(err, rotation.ErrExternalKey) {
		t.Errorf("%v", err)
	}
	s.Keys = append(s.Keys, keyring.Entry{
		PublicKey: successor.Issuer, Kind: issuer.KindSigning, Account: callouttest.OtherAccount,
		Command: []string{"sign-with-another"}, State: issuer.StateNext,
	})
	must(t, keyring.Save(r.Dir, r.Config, s))
	r.Wait = 10 * time.Second
	result, err := r.Rotate(t.Context(), target)
	must(t, err)
	if result.New != successor.Issuer || len(result.Blockers) > 0 {
		t.Errorf("%+v", result)
	}
	must(t, connects(o.URLs(), nats.Token("publisher-key")))
}
