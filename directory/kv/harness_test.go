package kv_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// storeDir returns a storage directory that is removed after the test. The server may
// still remove files in it when it has stopped.
func storeDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "usher-kv-") //nolint:usetesting // see above
	callouttest.Must(tb, err)
	tb.Cleanup(func() {
		callouttest.Eventually(tb, "the server's directory is gone", func() bool { return os.RemoveAll(dir) == nil })
	})
	return dir
}

// node is one server with JetStream, in process.
type node struct {
	opts *server.Options
	srv  *server.Server
}

func startNode(tb testing.TB) *node {
	tb.Helper()
	n := &node{opts: &server.Options{
		Host: "127.0.0.1", Port: callouttest.FreePort(tb), JetStream: true, StoreDir: storeDir(tb), NoSigs: true, NoLog: true,
	}}
	n.start(tb)
	tb.Cleanup(n.stop)
	return n
}

func (n *node) start(tb testing.TB) {
	tb.Helper()
	s, err := server.NewServer(n.opts.Clone())
	callouttest.Must(tb, err)
	s.Start()
	n.srv = s
	if !s.ReadyForConnections(20 * time.Second) {
		tb.Fatal("the server does not start")
	}
}

func (n *node) stop() {
	n.srv.Shutdown()
	n.srv.WaitForShutdown()
}

func (n *node) addr() string { return net.JoinHostPort(n.opts.Host, strconv.Itoa(n.opts.Port)) }

func (n *node) url() string { return "nats://" + n.addr() }

// connect connects as usher does: with endless retries and without a reconnect buffer. If
// the server is running, it waits for the connection, because tests use it at once.
func connect(tb testing.TB, url string) *nats.Conn {
	tb.Helper()
	c, err := nats.Connect(url, nats.Timeout(20*time.Second), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true))
	callouttest.Must(tb, err)
	tb.Cleanup(c.Close)
	return c
}

// jetStream starts a server with JetStream, and returns a connection to it.
func jetStream(tb testing.TB) *nats.Conn {
	tb.Helper()
	return connect(tb, startNode(tb).url())
}

// open opens a store without running it.
func open(tb testing.TB, cfg kv.Config) *kv.Store {
	tb.Helper()
	if cfg.Bucket == "" {
		cfg.Bucket = "usher"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(tb.Output(), nil))
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s, err := kv.Open(cfg)
	callouttest.Must(tb, err)
	return s
}

// run runs a store until the test ends, or the function returned is called.
func run(tb testing.TB, s *kv.Store) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(stop)
	return stop
}

// start runs a store until the test ends.
func start(tb testing.TB, cfg kv.Config) *kv.Store {
	tb.Helper()
	s := open(tb, cfg)
	run(tb, s)
	return s
}

func loaded(tb testing.TB, s *kv.Store) *kv.Store {
	tb.Helper()
	callouttest.Eventually(tb, "the directory is loaded", func() bool { return s.Snapshot() != nil })
	return s
}

func change(tb testing.TB, s *kv.Store, f func(*snapshot.Snapshot) ([]directory.Entry, error)) *snapshot.Snapshot {
	tb.Helper()
	next, err := s.Change(tb.Context(), f)
	callouttest.Must(tb, err)
	return next
}

// user returns the change that adds a user whose API key is its name.
func user(name string) (uuid.UUID, func(*snapshot.Snapshot) ([]directory.Entry, error)) {
	return directory.IDOf(directory.KindUser, name), func(*snapshot.Snapshot) ([]directory.Entry, error) { return member(name)[:2], nil }
}

// add adds users.
func add(tb testing.TB, s *kv.Store, names ...string) {
	tb.Helper()
	for _, name := range names {
		_, f := user(name)
		change(tb, s, f)
	}
}

// has reports whether a snapshot has exactly these users, with their keys.
func has(s *snapshot.Snapshot, names ...string) bool {
	for _, name := range names {
		if _, ok := s.LookupKey(directory.DigestOf(name)); !ok {
			return false
		}
	}
	return s.Size().Users == len(names)
}
