//go:build unix

package setup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

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

// nats-server reads every folder that a file system allows.
func TestFolderNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"two words", `"quoted"`, `back\slash`, "$HOME", "#comment", "{include x}", "a\nb: c", "tab\t", "del\x7f",
		"no-break\u00a0space", "\u202eright to left", "not\xffUTF-8", "\U0001f4c1",
	} {
		dir := filepath.Join(t.TempDir(), name)
		g := newEventGateway(dir)
		g.Bridge = &setup.Bridge{Leaf: setup.DefaultLeaf, Store: setup.DefaultStore}
		if _, err := setup.WriteEventGateway(g); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		for _, file := range []string{setup.FileExternal, setup.FileInternal, setup.FileStore} {
			if _, err := server.ProcessConfigFile(filepath.Join(dir, file)); err != nil { // it reads the certificates
				t.Errorf("%q: %v", name, err)
			}
		}
		for _, o := range variants() {
			o.Dir = filepath.Join(dir, "other")
			write(t, o)
			opts, err := server.ProcessConfigFile(filepath.Join(o.Dir, setup.FileServerConfig))
			if err != nil || o.KV && opts.StoreDir != filepath.Join(o.Dir, setup.DirJetStream) {
				t.Errorf("%q: %v", name, err)
			}
			callouttest.Must(t, os.RemoveAll(o.Dir))
		}
	}
}
