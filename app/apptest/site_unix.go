//go:build unix

package apptest

import (
	"os"
	"path/filepath"
	"testing"

	"usher/callout/callouttest"
)

// Foreign changes a file so that another user could have created it: as root, it changes the
// owner and makes the folder sticky and world-writable; otherwise it only makes the folder
// world-writable. back undoes it.
func Foreign(tb testing.TB, path string) (back func()) {
	tb.Helper()
	info, err := os.Stat(path)
	callouttest.Must(tb, err)
	folder, err := os.Stat(filepath.Dir(path))
	callouttest.Must(tb, err)
	if os.Geteuid() == 0 {
		callouttest.Must(tb, os.Chown(path, 4711, 4711))
		callouttest.Must(tb, os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky))
	} else {
		callouttest.Must(tb, os.Chmod(filepath.Dir(path), 0o777))
	}
	return func() {
		callouttest.Must(tb, os.Chown(path, os.Geteuid(), os.Getegid()))
		callouttest.Must(tb, os.Chmod(path, info.Mode()))
		callouttest.Must(tb, os.Chmod(filepath.Dir(path), folder.Mode()))
	}
}
