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

// KVStore returns an empty directory in a KV bucket, on a nats-server of its own. The
// store watches the bucket until the test ends.
func KVStore(tb testing.TB) *kv.Store {
	tb.Helper()
	return KVStoreWith(tb, kv.Config{})
}

// KVStoreWith is KVStore with a configuration. It sets Conn, Bucket, Create, Storage,
// Now and Log.
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
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- store.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			tb.Error(err)
		}
	})
	Eventually(tb, "the directory is loaded", func() bool { return store.Snapshot() != nil })
	return store
}
