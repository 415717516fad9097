//go:build unix

package remote

import (
	"errors"
	"os"
	"testing"

	"usher/internal/ownedfile"
)

// Attack: a context is saved in a folder in which others can exchange it, so that a key goes to their server
// Held by: new files are made only in folders of root or of oneself, and through no link
func TestContextInForeignFolder(t *testing.T) {
	open := t.TempDir()
	if err := os.Chmod(open, 0o777); err != nil { //nolint:gosec // that is the attack
		t.Fatal(err)
	}
	err := (ContextFiles{open}).Write("mine", &Context{Server: "https://h.example"})
	if !errors.Is(err, ownedfile.ErrUntrusted) {
		t.Errorf("%v", err)
	}
}
