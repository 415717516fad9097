//go:build unix

package bundle_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"usher/app/doctor/bundle"
	"usher/callout/callouttest"
)

// Attack: the owner of a log puts a pipe in its place, so that usher doctor waits without end
// Held by: what is no regular file is not opened
func TestTailOfPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "log")
	callouttest.Must(t, syscall.Mkfifo(pipe, 0o600))
	if text, err := bundle.Tail(pipe, 5); err == nil {
		t.Errorf("%q", text)
	}
}
