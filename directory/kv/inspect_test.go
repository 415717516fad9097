package kv_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/callout/callouttest"
	"usher/directory/kv"
)

// TestInspect: Inspect does not create a bucket.
func TestInspect(t *testing.T) {
	t.Parallel()
	nc := jetStream(t)
	cfg := kv.Config{Conn: nc, Bucket: "usher", Create: true, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	for range 2 {
		if _, err := kv.Inspect(t.Context(), cfg); !errors.Is(err, kv.ErrNoBucket) {
			t.Fatalf("got %v", err)
		}
	}
	loaded(t, start(t, kv.Config{Conn: nc, Create: true}))
	info, err := kv.Inspect(t.Context(), cfg)
	callouttest.Must(t, err)
	if info.Config.Name != "KV_usher" || info.Config.Replicas != 1 {
		t.Errorf("%+v", info.Config)
	}
	if _, err := kv.Inspect(t.Context(), kv.Config{}); err == nil {
		t.Error("no connection, and no error")
	}
}

// TestReadCache: a cache is read as a whole, if it is that of the bucket.
func TestReadCache(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "snapshot")
	if _, _, err := kv.ReadCache(file, "usher"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	t.Run("write", func(t *testing.T) { // its store keeps it when it ends
		_, add := user("ann")
		change(t, loaded(t, start(t, kv.Config{Conn: jetStream(t), Create: true, Cache: file})), add)
	})
	snapshot, status, err := kv.ReadCache(file, "usher")
	callouttest.Must(t, err)
	if _, ok := snapshot.User("ann"); !ok || !status.Loaded || status.Checked.IsZero() {
		t.Errorf("%+v", status)
	}
	if _, _, err := kv.ReadCache(file, "other"); err == nil {
		t.Error("the snapshot of another bucket was taken")
	}
	text, err := os.ReadFile(file)
	callouttest.Must(t, err)
	callouttest.Must(t, os.WriteFile(file, text[1:], 0o600))
	if snapshot, _, err := kv.ReadCache(file, "usher"); err == nil || snapshot != nil {
		t.Error("a damaged snapshot was taken")
	}
}

// TestReadCacheWithFaults: a cache with contradictory entries is read.
func TestReadCacheWithFaults(t *testing.T) {
	t.Parallel()
	c, file := jetStream(t), filepath.Join(t.TempDir(), "snapshot")
	s := open(t, kv.Config{Conn: c, Create: true, Cache: file})
	stop := run(t, s)
	add(t, loaded(t, s), "ada")
	write(t, c, "user."+steadyID(1), `{"v":1,"value":{"name":"ada"}}`)
	callouttest.Eventually(t, "the fault is found", func() bool { return len(s.Status().Faults) == 1 })
	stop()
	snapshot, _, err := kv.ReadCache(file, "usher")
	callouttest.Must(t, err)
	if _, ok := snapshot.User("ada"); !ok {
		t.Errorf("%+v", snapshot.Size())
	}
}
