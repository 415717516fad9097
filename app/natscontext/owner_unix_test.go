//go:build unix

package natscontext_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"usher/app/natscontext"
	"usher/callout/callouttest"
	"usher/internal/ownedfile"
)

// Attack: another user reads a password from a context, or writes into one where it is sent
// Held by: usher reads no context that others can write, and none with a secret that they can read
func TestReadByOthers(t *testing.T) {
	t.Parallel()
	dir, env := environment(t, nil)
	for _, tt := range []struct {
		text string
		mode os.FileMode
		want error
	}{
		{`{"token": "secret"}`, 0o600, nil},
		{`{"token": "secret"}`, 0o644, ownedfile.ErrReadable},
		{`{"user": "a", "password": "secret"}`, 0o644, ownedfile.ErrReadable},
		{`{"url": "nats://a:secret@h"}`, 0o644, ownedfile.ErrReadable},
		{`{"token": "file:///x"}`, 0o644, nil},
		{`{"token": "file:///x"}`, 0o666, ownedfile.ErrUntrusted},
	} {
		path := filepath.Join(dir, "context.json")
		callouttest.Must(t, os.WriteFile(path, []byte(tt.text), 0o600))
		callouttest.Must(t, os.Chmod(path, tt.mode))
		if _, err := natscontext.Read(path, env); !errors.Is(err, tt.want) {
			t.Errorf("%s with mode %o: %v", tt.text, tt.mode, err)
		}
	}
}
