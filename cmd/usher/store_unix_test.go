//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/app/demo"
	"usher/app/setup"
	"usher/cmd/usher/cmdutil"
)

// TestNoServer: without a server explain uses the snapshot on disk and says so. bootstrap
// fails, and mentions no snapshot.
func TestNoServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	p, _ := startDev(t, "--dir", dir, "--listen", ownAddress(t))
	p.signal(t, os.Interrupt)
	p.wait(t)
	config := filepath.Join(dir, setup.FileConfig)
	for _, c := range []struct {
		args     []string
		code     int
		snapshot bool
	}{
		{[]string{"explain", "-c", config, "--token-file", filepath.Join(dir, demo.DirTokens, demo.Publisher)}, cmdutil.ExitOK, true},
		{[]string{"bootstrap", "-c", config, "--again"}, cmdutil.ExitRuntime, false},
	} {
		code, stdout, stderr := usher(t, c.args...)
		if code != c.code || !strings.Contains(stderr, "cannot reach the bucket") || strings.Contains(stderr, "; using the directory of 20") != c.snapshot {
			t.Errorf("%v: exit code %d\n%s%s", c.args, code, stdout, stderr)
		}
	}
}
