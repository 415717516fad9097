//go:build unix

package pki_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"usher/app/apptest"
	"usher/app/pki"
	"usher/callout/callouttest"
	"usher/internal/ownedfile"
)

// A key that others can read, and a file that another user could have made, are refused.
// A renewal keeps mode and owner.
func TestFilesOfOthers(t *testing.T) {
	dir := newDir(t, 0)
	issue(t, dir, pki.Request{CN: "a", Client: true})
	r := &pki.Request{CN: "b", Client: true, Now: time.Now()}
	for path, try := range map[string]func() error{
		dir.CAKeyFile():  func() error { return dir.Issue(r) },
		dir.KeyFile("a"): func() error { _, err := dir.Renew("a", time.Now()); return err },
	} {
		callouttest.Must(t, os.Chmod(path, 0o640))
		if err := try(); !errors.Is(err, ownedfile.ErrReadable) {
			t.Errorf("%s readable by its group: %v", path, err)
		}
		callouttest.Must(t, os.Chmod(path, 0o600))
		back := apptest.Foreign(t, path)
		if err := try(); !errors.Is(err, ownedfile.ErrUntrusted) {
			t.Errorf("%s of another user: %v", path, err)
		}
		back()
	}
	callouttest.Must(t, os.Chmod(dir.CertFile("a"), 0o644))
	callouttest.Must(t, os.Chmod(dir.KeyFile("a"), 0o400))
	_, err := dir.Renew("a", time.Now())
	callouttest.Must(t, err)
	for path, want := range map[string]os.FileMode{dir.CertFile("a"): 0o644, dir.KeyFile("a"): 0o400} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	callouttest.Must(t, os.Chmod(string(dir), 0o777))
	if err := dir.Issue(r); !errors.Is(err, ownedfile.ErrUntrusted) {
		t.Errorf("a folder in which others can write: %v", err)
	}
}
