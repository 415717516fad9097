package kv_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/callouttest"
	"usher/directory"
	"usher/directory/kv"
)

// jetStream starts a server with JetStream, and returns a connection to it.
func jetStream(tb testing.TB) *nats.Conn {
	tb.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: tb.TempDir(), NoSigs: true, NoLog: true})
	callouttest.Must(tb, err)
	s.Start()
	tb.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		tb.Fatal("the server does not start")
	}
	c, err := nats.Connect(s.ClientURL(), nats.ReconnectBufSize(-1))
	callouttest.Must(tb, err)
	tb.Cleanup(c.Close)
	return c
}

// start runs a store until the test ends.
func start(tb testing.TB, cfg kv.Config) *kv.Store {
	tb.Helper()
	if cfg.Bucket == "" {
		cfg.Bucket = "usher"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(tb.Output(), nil))
	}
	cfg.Now = time.Now
	s, err := kv.Open(cfg)
	callouttest.Must(tb, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	return s
}

func loaded(tb testing.TB, s *kv.Store) *kv.Store {
	tb.Helper()
	callouttest.Eventually(tb, "the directory is loaded", func() bool { return s.Snapshot() != nil })
	return s
}

func change(tb testing.TB, s *kv.Store, f func(*directory.Snapshot) ([]directory.Entry, error)) *directory.Snapshot {
	tb.Helper()
	next, err := s.Change(tb.Context(), f)
	callouttest.Must(tb, err)
	return next
}

func user(name string) (uuid.UUID, func(*directory.Snapshot) ([]directory.Entry, error)) {
	id := directory.IDOf(directory.KindUser, name)
	return id, func(*directory.Snapshot) ([]directory.Entry, error) {
		return []directory.Entry{
			{Key: directory.UserKey(id), Value: &directory.User{Name: name}},
			{Key: directory.KeyKey(id, "default"), Value: &directory.Key{Digest: directory.DigestOf(name)}},
		}, nil
	}
}

func TestChange(t *testing.T) {
	c := jetStream(t)
	cache := filepath.Join(t.TempDir(), "cache")
	a := loaded(t, start(t, kv.Config{Conn: c, Create: true, Cache: cache}))
	b := loaded(t, start(t, kv.Config{Conn: c}))
	id, add := user("alice")
	next := change(t, a, add)
	if rec, ok := next.LookupKey(directory.DigestOf("alice")); !ok || rec.User.Name != "alice" || rec.User.Revision == 0 {
		t.Fatalf("%+v", rec)
	}
	callouttest.Eventually(t, "it is in force on the other", func() bool { _, ok := b.Snapshot().User("alice"); return ok })
	_, err := b.Change(t.Context(), func(*directory.Snapshot) ([]directory.Entry, error) {
		return directory.Put(directory.UserKey(uuid.New()), &directory.User{Name: "alice"}), nil
	})
	var problems directory.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("a second alice: %v", err)
	}
	gone := change(t, b, func(s *directory.Snapshot) ([]directory.Entry, error) { return s.RemoveUser(id), nil })
	if gone.Size() != (directory.Size{}) {
		t.Errorf("%+v", gone.Size())
	}
	callouttest.Eventually(t, "it is gone on the first", func() bool { _, ok := a.Snapshot().User("alice"); return !ok })
	for i := range 5 {
		_, add := user(fmt.Sprintf("user-%d", i))
		change(t, []*kv.Store{a, b}[i%2], add)
	}
	callouttest.Eventually(t, "both have five", func() bool { return a.Snapshot().Size().Users == 5 && b.Snapshot().Size().Users == 5 })
}
