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

// Attack: a link is planted where the JWT of a closed account is put aside, and it is moved where that leads
// Held by: the folder for it is made and used without following links
func TestClosedGoesNowhereElse(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "accounts"), 0o700),
		os.WriteFile(filepath.Join(dir, "accounts", "shop.jwt"), nil, 0o600),
		os.Symlink(elsewhere, filepath.Join(dir, "accounts", ".closed")),
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
	for range 2 { // that it has gone is no error
		if err := d.CloseAccount("shop", "A1"); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "accounts", ".closed", "A1.jwt")); err != nil {
		t.Error(err)
	}
}
