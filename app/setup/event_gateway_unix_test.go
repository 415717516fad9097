//go:build unix

package setup_test

import (
	"os"
	"path/filepath"
	"testing"

	"usher/app/setup"
	"usher/callout/callouttest"
)

// TestEventGatewayFolders: it goes through no link below its folder, and into no folder that
// others can write.
//
// Attack: another user prepares the folder of a new event gateway, to get its keys or to choose its certificates
// Held by: usher init follows no link below the folder, and writes nothing if others can write to it
func TestEventGatewayFolders(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"a link for pki":              func(dir string) error { return os.Symlink(t.TempDir(), filepath.Join(dir, setup.DirPKI)) },
		"a link for keys":             func(dir string) error { return os.Symlink(t.TempDir(), filepath.Join(dir, setup.DirKeys)) },
		"a link for a file":           func(dir string) error { return os.Symlink("nowhere", filepath.Join(dir, setup.FileInternal)) },
		"a folder that all can write": func(dir string) error { return os.Chmod(dir, 0o777) },
	} {
		dir := t.TempDir()
		callouttest.Must(t, prepare(dir))
		if _, err := setup.WriteEventGateway(newEventGateway(dir)); err == nil {
			t.Errorf("%s: no error", name)
		}
		if n := count(t, dir); n > 1 { // the link itself
			t.Errorf("%s: %d files", name, n)
		}
	}
}
