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

// connector keeps connecting to a project. It counts the connects that succeed before
// after is set, and those that begin and succeed later.
type connector struct {
	after    atomic.Bool
	attempts atomic.Int64 // that began after
	late     atomic.Int64 // that began after and succeeded
	before   atomic.Int64 // that succeeded before
	stop     chan struct{}
	workers  sync.WaitGroup
}

func startConnector(s *site, project string) *connector {
	k := &connector{stop: make(chan struct{})}
	for i := range 4 {
		k.workers.Go(func() {
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
					k.attempts.Add(1)
				}
				if err == nil {
					nc.Close()
				}
			}
		})
	}
	return k
}

// After the first step of Close no client can connect, even if a stale usher grants it.
// Then the existing connections are closed. The streams stay unless Purge is set.
//
// Attack: a client keeps connecting while its project is removed, to stay connected
// Held by: every server refuses users of the account before any other step, whatever an usher answers
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
			closed := make(chan struct{})
			nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
			s.stream(t, "shop")

			s.stale.Store(true)
			k := startConnector(s, "shop")
			callouttest.Eventually(t, "clients connect", func() bool { return k.before.Load() > 5 })
			var steps []accounts.Step
			s.m.Progress = func(step accounts.Step, _, _ int) {
				steps = append(steps, step)
				if step == accounts.StepRefuse {
					k.after.Store(true)
					if !wide && nc.IsClosed() { // if every account is allowed, one step does both
						t.Error("closed too early")
					}
				}
			}
			removed := false
			_, err = s.m.Close(t.Context(), "shop", accounts.CloseOptions{Remove: func(context.Context) error { removed = true; return nil }})
			must(t, err)
			<-closed
			callouttest.Eventually(t, "clients keep connecting", func() bool { return k.attempts.Load() > 5 })
			close(k.stop)
			k.workers.Wait()
			t.Logf("figures: %d clients connected before, %d of %d after", k.before.Load(), k.late.Load(), k.attempts.Load())
			if k.late.Load() > 0 || !removed || !slices.Equal(steps, accounts.CloseSteps()) {
				t.Errorf("%d connected after the first step, removed %t, steps %v", k.late.Load(), removed, steps)
			}
			s.checkClosed(t, made[0])
			if n := s.streams(t, made[0].PublicKey); n != 1 {
				t.Errorf("%d streams are left without --purge", n)
			}

			// A new project with the same name gets another account, with no data of the old one.
			s.stale.Store(false)
			again, err := s.manager(t).Open(t.Context(), []string{"shop"})
			must(t, err)
			if again[0].PublicKey == made[0].PublicKey {
				t.Error("the new project has the account of the old one")
			}
			s.checkConnects(t, "shop", again[0].PublicKey)
			s.stream(t, "shop")
			_, err = s.manager(t).Close(t.Context(), "shop", accounts.CloseOptions{Purge: true})
			must(t, err)
			if n := s.streams(t, again[0].PublicKey); n != 0 {
				t.Errorf("%d streams are left after a purge", n)
			}
		})
	}
}

// stream creates a stream in the account of a project, as a user with all permissions.
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

// checkClosed checks that an account allows no connections and that the keyring and the
// files have nothing of it.
func (s *site) checkClosed(t *testing.T, a issuer.Account) {
	t.Helper()
	c := s.inForce(t, a.PublicKey)
	if c.Limits.Conn != 0 || c.Limits.LeafNodeConn != 0 || len(c.SigningKeys) != 0 || c.Revocations[jwt.All] == 0 {
		t.Errorf("account claims: %+v", c)
	}
	for _, e := range s.state(t).Keys {
		if e.Account == a.Name {
			t.Errorf("in the keyring: %+v", e)
		}
	}
	for _, file := range s.files(t) {
		if moved := strings.Contains(file, "/.retired/") || strings.Contains(file, "/.closed/"); strings.Contains(file, a.Name) && !moved {
			t.Errorf("%s still exists", file)
		}
	}
}

// Close refuses an account that was not created for a project. If Remove fails, the
// account stays open.
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
	must(t, s.m.Rotator.WaitForKeys(t.Context(), []string{s.state(t).Active(issuer.KindSigning, issuer.Place{Account: "shop"}).PublicKey}, issuer.StateActive))
	s.checkConnects(t, "shop", made[0].PublicKey)

	// Closing finds an interrupted Close of a renamed project.
	ctx := interrupt(t, s.m, accounts.StepRefuse)
	if _, err := s.m.Close(ctx, "shop", accounts.CloseOptions{Project: "store"}); err == nil {
		t.Error("Close was not interrupted")
	}
	if name := accounts.Closing(s.state(t).Accounts, "store"); name != "shop" {
		t.Errorf("Closing returns %q", name)
	}
	if accounts.Own(s.state(t).Accounts, callouttest.AppAccount) || !accounts.Own(s.state(t).Accounts, "shop") {
		t.Error("Own is wrong")
	}
	_, err = s.manager(t).Close(t.Context(), "shop", accounts.CloseOptions{})
	must(t, err)
	if _, err := os.Stat(operator.Dir(s.JWTDir).AccountFile("shop")); err == nil {
		t.Error("the account JWT still exists")
	}
}
