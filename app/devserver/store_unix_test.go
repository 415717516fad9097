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

// Attack: another user plants a symbolic link as the lock file of an embedded store, and usher creates a file at its target
// Held by: usher never follows a symbolic link when it creates or opens the lock file
func TestStoreLockIsNoLink(t *testing.T) {
	dir, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
	if err := os.Symlink(target, filepath.Join(dir, ".lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := devserver.StartStore(dir); !errors.Is(err, ownedfile.ErrLink) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the target was created: %v", err)
	}
}
