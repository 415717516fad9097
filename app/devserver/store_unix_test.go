//go:build unix

package devserver_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"usher/app/devserver"
	"usher/internal/ownedfile"
)

// Attack: a link is planted for the lock of an embedded store, and a file is made where it leads
// Held by: the lock file is made and opened through no link
func TestStoreLockIsNoLink(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "made")
	if err := os.Symlink(elsewhere, filepath.Join(dir, ".lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := devserver.StartStore(dir); !errors.Is(err, ownedfile.ErrLink) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(elsewhere); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("made elsewhere: %v", err)
	}
}
