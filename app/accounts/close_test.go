package accounts_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"usher/app/accounts"
	"usher/callout/callouttest"
	"usher/issuer"
	"usher/issuer/operator"
)

// knocker connects again and again, and counts who gets in of those that have begun
// after a moment.
type knocker struct {
	after   atomic.Bool
	tried   atomic.Int64 // after that moment
	late    atomic.Int64 // of these got in
	before  atomic.Int64 // got in before
	stop    chan struct{}
	working sync.WaitGroup
}

func knock(s *site, project string) *knocker {
	k := &knocker{stop: make(chan struct{})}
	for i := range 4 {
		k.working.Go(func() {
			for {
				select {
				case <-k.stop:
					return
				default:
				}
				after := k.after.Load()
				nc, err := s.connect(i%len(s.Servers), project)
				switch {
				case err == nil && after:
					k.late.Add(1)
				case err == nil:
					k.before.Add(1)
				}
				if after {
					k.tried.Add(1)
				}
				if err == nil {
					nc.Close()
				}
			}
		})
	}
	return k
}

// From the first step on nobody gets in, even past an usher that has heard of nothing
// and grants; then who is in is cut off; the data stays, and goes with a purge.
//
// Attack: a client keeps connecting while its project is removed, to stay in
// Held by: every server refuses users of the account before anything else is done, whatever an usher says
func TestClose(t *testing.T) {
	t.Parallel()
	for name, wide := range map[string]bool{"listed": false, "every account allowed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, callouttest.OperatorConfig{Edit: func(name string, c jwt.Claims) {
				if a, ok := c.(*jwt.AccountClaims); ok && wide && name == callouttest.CalloutAccount {
					a.Authorization.AllowedAccounts = jwt.StringList{jwt.AnyAccount}
				}
			}})
			made, err := s.m.Open(t.Context(), []string{"shop"})
			must(t, err)
			s.usher.SetDirectory(t, directoryOf("shop"))
			nc, err := s.connect(0, "shop")
			must(t, err)
			defer nc.Close()
			gone := make(chan struct{})
			nc.SetClosedHandler(func(*nats.Conn) { close(gone) })
			s.stream(t, "shop")

			s.deaf.Store(true)
			k := knock(s, "shop")
			callouttest.Eventually(t, "clients come and go", func() bool { return k.before.Load() > 5 })
			var steps []accounts.Step
			s.m.Progress = func(step accounts.Step, _, _ int) {
				steps = append(steps, step)
				if step == accounts.StepRefuse {
					k.after.Store(true)
					if !wide && nc.IsClosed() { // where every account is allowed, both are one step
						t.Error("closed before its time")
					}
				}
			}
			removed := false
			_, err = s.m.Close(t.Context(), "shop", accounts.CloseOptions{Remove: func(context.Context) error { removed = true; return nil }})
			must(t, err)
			<-gone
			callouttest.Eventually(t, "clients go on trying", func() bool { return k.tried.Load() > 5 })
			close(k.stop)
			k.working.Wait()
			t.Logf("figures: %d clients got in before, %d of %d after", k.before.Load(), k.late.Load(), k.tried.Load())
			if k.late.Load() > 0 || !removed || !slices.Equal(steps, accounts.CloseSteps()) {
				t.Errorf("%d got in late, removed %t, steps %v", k.late.Load(), removed, steps)
			}
			s.closed(t, made[0])
			if n := s.streams(t, made[0].PublicKey); n != 1 {
				t.Errorf("%d streams are left without --purge", n)
			}

			// The same name again is another account, which sees nothing of the old one.
			s.deaf.Store(false)
			again, err := s.manager(t).Open(t.Context(), []string{"shop"})
			must(t, err)
			if again[0].PublicKey == made[0].PublicKey {
				t.Error("the new project has the account of the old one")
			}
			s.in(t, "shop", again[0].PublicKey)
			s.stream(t, "shop")
			_, err = s.manager(t).Close(t.Context(), "shop", accounts.CloseOptions{Purge: true})
			must(t, err)
			if n := s.streams(t, again[0].PublicKey); n != 0 {
				t.Errorf("%d streams are left after a purge", n)
			}
		})
	}
}

// stream makes a stream in the account of a project, as a user that its signing key
// lets do everything.
func (s *site) stream(t *testing.T, project string) {
	t.Helper()
	a, entry := s.account(t, project)
	seed, err := os.ReadFile(filepath.Join(s.Keyring, entry.File))
	must(t, err)
	key, err := nkeys.FromSeed(bytes.TrimSpace(seed))
	must(t, err)
	user, err := nkeys.CreateUser()
	must(t, err)
	public, err := user.PublicKey()
	must(t, err)
	c := jwt.NewUserClaims(public)
	c.IssuerAccount = a.PublicKey
	text, err := c.Encode(key)
	must(t, err)
	nc, err := nats.Connect(s.Servers[0].URL(), nats.UserJWT(func() (string, error) { return text, nil }, user.Sign), callouttest.ConnectTimeout())
	must(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	must(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: project, Subjects: []string{project + ".>"}})
	must(t, err)
	_, err = js.Publish(t.Context(), project+".orders", []byte("teapot"))
	must(t, err)
}

// streams counts the streams of an account on the disk of the only server.
func (s *site) streams(t *testing.T, account string) int {
	t.Helper()
	dirs, err := os.ReadDir(filepath.Join(s.Servers[0].NATSServer().JetStreamConfig().StoreDir, account, "streams"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return len(dirs)
}

// closed holds that nothing is left of an account but what lets nobody in.
func (s *site) closed(t *testing.T, a issuer.Account) {
	t.Helper()
	c := s.inForce(t, a.PublicKey)
	if c.Limits.Conn != 0 || c.Limits.LeafNodeConn != 0 || len(c.SigningKeys) != 0 || c.Revocations[jwt.All] == 0 {
		t.Errorf("in force: %+v", c)
	}
	for _, e := range s.state(t).Keys {
		if e.Account == a.Name {
			t.Errorf("in the keyring: %+v", e)
		}
	}
	for _, file := range s.files(t) {
		if aside := strings.Contains(file, "/.retired/") || strings.Contains(file, "/.closed/"); strings.Contains(file, a.Name) && !aside {
			t.Errorf("there is still %s", file)
		}
	}
}

// What was not made for a project is not closed; and what the directory refuses to
// remove stays as it was.
func TestCloseRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, callouttest.OperatorConfig{})
	if _, err := s.m.Close(t.Context(), callouttest.AppAccount, accounts.CloseOptions{}); !errors.Is(err, accounts.ErrForeign) {
		t.Error(err)
	}
	if _, err := s.m.Close(t.Context(), "shop", accounts.CloseOptions{}); !errors.Is(err, accounts.ErrUnknown) {
		t.Error(err)
	}
	made, err := s.m.Open(t.Context(), []string{"shop"})
	must(t, err)
	before := s.state(t)
	refusal := errors.New("no")
	o := accounts.CloseOptions{Project: "store", Remove: func(context.Context) error { return refusal }}
	if _, err := s.m.Close(t.Context(), "shop", o); !errors.Is(err, refusal) {
		t.Error(err)
	}
	if after := s.state(t); !slices.Equal(before.Accounts, after.Accounts) || before.Entry(before.Keys[0].PublicKey).State != after.Keys[0].State {
		t.Errorf("keyring %+v", after)
	}
	s.usher.SetDirectory(t, directoryOf("shop"))
	must(t, s.m.Rotator.Held(t.Context(), []string{s.state(t).Active(issuer.KindSigning, issuer.Place{Account: "shop"}).PublicKey}, issuer.StateActive))
	s.in(t, "shop", made[0].PublicKey)

	// A project that has another name by now is found again by that.
	ctx := interrupt(t, s.m, accounts.StepRefuse)
	if _, err := s.m.Close(ctx, "shop", accounts.CloseOptions{Project: "store"}); err == nil {
		t.Error("not interrupted")
	}
	if name := accounts.Closing(s.state(t).Accounts, "store"); name != "shop" {
		t.Errorf("store was in %q", name)
	}
	if accounts.Own(s.state(t).Accounts, callouttest.AppAccount) || !accounts.Own(s.state(t).Accounts, "shop") {
		t.Error("whose accounts?")
	}
	_, err = s.manager(t).Close(t.Context(), "shop", accounts.CloseOptions{})
	must(t, err)
	if _, err := os.Stat(operator.Dir(s.JWTDir).AccountFile("shop")); err == nil {
		t.Error("its JWT is still there")
	}
}
