package accountconn_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/messages/accountconn"
	"usher/app/natsconn"
	"usher/callout/callouttest"
	"usher/issuer"
)

const limit = time.Minute // nothing here takes long, but on a busy machine

func start(t *testing.T, cfg accountconn.Config) *accountconn.Pool {
	t.Helper()
	if cfg.Now == nil {
		now := time.Now()
		cfg.Now = func() time.Time { return now } // a denial is one however long it takes
	}
	cfg.Random, cfg.Log, cfg.Attempt = rand.Reader, slog.New(slog.DiscardHandler), limit
	p, err := accountconn.New(cfg)
	callouttest.Must(t, err)
	t.Cleanup(p.Close)
	return p
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

type site struct {
	urls    string
	keys    func() *issuer.Keyring
	service *callouttest.Service
	options []nats.Option
	server  *callouttest.Server // nil: operator mode
}

func configMode(t *testing.T) site {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	return site{urls: srv.URL(), keys: service.Keyring, service: service, server: srv}
}

func operatorMode(t *testing.T, noSentinel bool) site {
	t.Helper()
	o := callouttest.StartOperator(t, callouttest.OperatorConfig{NoSentinel: noSentinel})
	service := callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML)})
	s := site{urls: o.URLs(), keys: service.Keyring, service: service}
	if noSentinel {
		sentinel, err := natsconn.Sentinel(o.SentinelCreds)
		callouttest.Must(t, err)
		s.options = append(s.options, sentinel)
	}
	return s
}

// In both modes usher gets into the accounts of projects, and into no other one.
func TestAccounts(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(*testing.T) site{
		"config mode":                            configMode,
		"operator mode":                          func(t *testing.T) site { t.Helper(); return operatorMode(t, false) },
		"operator mode without default_sentinel": func(t *testing.T) site { t.Helper(); return operatorMode(t, true) },
	} {
		t.Run(name, func(t *testing.T) {
			s := at(t)
			p := start(t, accountconn.Config{URLs: s.urls, Keyring: s.keys, Options: s.options})
			ctx := within(t)
			js, err := p.JetStream(ctx, callouttest.AppAccount)
			callouttest.Must(t, err)
			if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "shop", Subjects: []string{"shop.>"}, Storage: jetstream.MemoryStorage}); err != nil {
				t.Fatal(err)
			}
			if _, err := js.Publish(ctx, "shop.orders", []byte("x")); err != nil {
				t.Fatal(err)
			}
			one, err := p.Conn(ctx, callouttest.AppAccount)
			callouttest.Must(t, err)
			if one != js.Conn() {
				t.Error("two connections into one account")
			}
			other, err := p.Conn(ctx, callouttest.OtherAccount)
			callouttest.Must(t, err)
			if other == one {
				t.Error("one connection for two accounts")
			}
			for _, account := range []string{callouttest.CalloutAccount, callouttest.SystemAccount, callouttest.HealthAccount, "NONE"} {
				if _, err := p.Conn(ctx, account); !errors.Is(err, accountconn.ErrDenied) {
					t.Errorf("account %s: %v", account, err)
				}
			}
		})
	}
}

// Many callers share one attempt.
func TestMany(t *testing.T) {
	t.Parallel()
	s := configMode(t)
	p := start(t, accountconn.Config{URLs: s.urls, Keyring: s.keys})
	ctx := within(t)
	var all sync.WaitGroup
	conns := make([]*nats.Conn, 32)
	for i := range conns {
		all.Go(func() {
			var err error
			if conns[i], err = p.Conn(ctx, callouttest.AppAccount); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, nc := range conns {
		if nc != conns[0] {
			t.Fatal("several connections into one account")
		}
	}
}

// An account that cannot be reached keeps nobody from another one, and its callers wait no
// longer than they want.
func TestSlowAccount(t *testing.T) {
	t.Parallel()
	s := configMode(t)
	p := start(t, accountconn.Config{URLs: s.urls, Keyring: s.keys})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Conn(ended, callouttest.AppAccount); err == nil {
		t.Log("it was there at once")
	} else if !errors.Is(err, accountconn.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := p.Conn(within(t), callouttest.OtherAccount); err != nil {
		t.Error(err)
	}
}

// A token ends, and with it what was granted: the connection heals with a new one.
func TestRenewal(t *testing.T) {
	t.Parallel()
	s := configMode(t)
	p := start(t, accountconn.Config{URLs: s.urls, Keyring: s.keys, Now: time.Now, Lifetime: 4 * time.Second})
	nc, err := p.Conn(within(t), callouttest.AppAccount)
	callouttest.Must(t, err)
	callouttest.Eventually(t, "the connection was renewed", func() bool { return nc.Stats().Reconnects > 0 && nc.IsConnected() })
	again, err := p.Conn(within(t), callouttest.AppAccount)
	callouttest.Must(t, err)
	if again != nc {
		t.Error("it is another connection")
	}
}

// A connection survives a restart of its server, and a new keyring.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := configMode(t)
	p := start(t, accountconn.Config{URLs: s.urls, Keyring: s.keys})
	nc, err := p.Conn(within(t), callouttest.AppAccount)
	callouttest.Must(t, err)
	s.server.Stop()
	callouttest.Eventually(t, "the connection is lost", func() bool { return !nc.IsConnected() })
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := p.Conn(short, callouttest.AppAccount); !errors.Is(err, accountconn.ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
	s.server.Start(t)
	again, err := p.Conn(within(t), callouttest.AppAccount)
	callouttest.Must(t, err)
	callouttest.Must(t, again.FlushWithContext(within(t)))
}

// What nobody uses is closed, and made again when somebody asks.
func TestIdle(t *testing.T) {
	t.Parallel()
	s := configMode(t)
	var mu sync.Mutex
	now := time.Now()
	pass := func(d time.Duration) {
		mu.Lock()
		now = now.Add(d)
		mu.Unlock()
	}
	p := start(t, accountconn.Config{URLs: s.urls, Keyring: s.keys, Idle: time.Hour, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	nc, err := p.Conn(within(t), callouttest.AppAccount)
	callouttest.Must(t, err)
	pass(59 * time.Minute)
	p.CloseIdle()
	if nc.IsClosed() {
		t.Fatal("closed too early")
	}
	callouttest.Must(t, nc.Publish("x", nil))
	callouttest.Must(t, nc.FlushWithContext(within(t)))
	pass(59 * time.Minute)
	p.CloseIdle() // it had traffic
	if nc.IsClosed() {
		t.Fatal("closed while it was used")
	}
	pass(time.Hour)
	p.CloseIdle()
	if !nc.IsClosed() || p.Len() != 0 {
		t.Fatal("not closed")
	}
	again, err := p.Conn(within(t), callouttest.AppAccount)
	callouttest.Must(t, err)
	if again == nc || !again.IsConnected() {
		t.Error("not made again")
	}
	p.Close()
	if _, err := p.Conn(within(t), callouttest.AppAccount); !errors.Is(err, accountconn.ErrClosed) || !again.IsClosed() {
		t.Errorf("after Close: %v", err)
	}
}

// A key that cannot sign is said, not taken for a denial.
func TestNoToken(t *testing.T) {
	t.Parallel()
	s := configMode(t)
	broken, err := accountconn.New(accountconn.Config{
		URLs: s.urls, Keyring: s.keys, Now: time.Now, Log: slog.New(slog.DiscardHandler), Random: brokenReader{}, Attempt: time.Second,
	})
	callouttest.Must(t, err)
	defer broken.Close()
	if _, err := broken.Conn(within(t), callouttest.AppAccount); !errors.Is(err, errBroken) || !errors.Is(err, accountconn.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

var errBroken = errors.New("no randomness")

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }
