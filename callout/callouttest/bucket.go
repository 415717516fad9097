package callouttest

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/directory/kv"
)

// KVStore returns an empty directory in the bucket of a server of its own, followed
// until the test ends.
func KVStore(tb testing.TB) *kv.Store {
	tb.Helper()
	return KVStoreWith(tb, kv.Config{})
}

// KVStoreWith is Bucket with settings; what a test always needs is added to them.
func KVStoreWith(tb testing.TB, cfg kv.Config) *kv.Store {
	tb.Helper()
	server := RunServerConfig(tb, fmt.Sprintf("listen: 127.0.0.1:-1\njetstream {store_dir: %q}\n", filepath.ToSlash(tb.TempDir())))
	conn, err := nats.Connect(server.ClientURL(), nats.Timeout(20*time.Second))
	Must(tb, err)
	tb.Cleanup(conn.Close)
	cfg.Conn, cfg.Bucket, cfg.Create, cfg.Storage, cfg.Now = conn, "usher", true, kv.StorageMemory, time.Now
	cfg.Log = slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := kv.Open(cfg)
	Must(tb, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- store.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	Eventually(tb, "the directory is loaded", func() bool { return store.Snapshot() != nil })
	return store
}
