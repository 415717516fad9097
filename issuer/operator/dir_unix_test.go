//go:build unix

package operator_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"usher/internal/ownedfile"
	"usher/issuer/operator"
)

// Attack: a symbolic link in place of accounts/.closed moves the JWT of a closed account to another folder
// Held by: the folder is created and used without following links
func TestCloseAccountFollowsNoLink(t *testing.T) {
	dir, target := t.TempDir(), t.TempDir()
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "accounts"), 0o700),
		os.WriteFile(filepath.Join(dir, "accounts", "shop.jwt"), nil, 0o600),
		os.Symlink(target, filepath.Join(dir, "accounts", ".closed")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d := operator.Dir(dir)
	if err := d.CloseAccount("shop", "A1"); !errors.Is(err, ownedfile.ErrLink) {
		t.Errorf("through a link: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "accounts", ".closed")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second call finds nothing to move
		if err := d.CloseAccount("shop", "A1"); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "accounts", ".closed", "A1.jwt")); err != nil {
		t.Error(err)
	}
}
