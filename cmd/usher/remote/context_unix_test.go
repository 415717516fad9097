//go:build unix

package remote

import (
	"errors"
	"os"
	"testing"

	"usher/internal/ownedfile"
)

// Attack: another user replaces a saved context in a folder that they can write to, so that the API key goes to their server
// Held by: files are created only in folders that root or the user owns, and never through a symbolic link
func TestContextInForeignFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil { // the attack
		t.Fatal(err)
	}
	err := (ContextStore{dir}).Write("mine", &Context{Server: "https://h.example"})
	if !errors.Is(err, ownedfile.ErrUntrusted) {
		t.Errorf("%v", err)
	}
}
