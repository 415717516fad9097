//go:build unix

package keyring

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A pipe that takes the place of a seed file after it was looked at is not waited for.
//
// Attack: a pipe in place of a seed file keeps usher from starting
// Held by: what is opened has to be a file, and is not waited for
func TestPipeInPlaceOfSeed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.nk")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readRegular(path, maxSeedFile, "a seed", false); err == nil || !strings.Contains(err.Error(), "a.nk: not a regular file") {
		t.Errorf("got %v", err)
	}
}
