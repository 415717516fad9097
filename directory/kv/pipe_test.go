//go:build unix

package kv_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"usher/callout/callouttest"
	"usher/directory/kv"
)

// A pipe in place of the cache is refused: opening it would block.
//
// Attack: a pipe in place of the snapshot file keeps usher from starting
// Held by: what is opened has to be a file
func TestPipeForSnapshot(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "snapshot")
	callouttest.Must(t, syscall.Mkfifo(file, 0o600))
	if _, _, err := kv.ReadCache(file, "usher"); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
	var log callouttest.Buffer
	open(t, kv.Config{Conn: connect(t, "nats://127.0.0.1:1"), Cache: file, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "not a regular file") {
		t.Errorf("logged %q", log.String())
	}
}
