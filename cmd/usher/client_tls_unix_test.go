//go:build unix

package main

import (
	"os"
	"strings"
	"testing"

	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// A private key that others can read is not used.
func TestClientKeyOfOthers(t *testing.T) {
	t.Parallel()
	cert, key := callouttest.NewCA(t).Issue(t, "client")
	in := newInstallation(t)
	callouttest.Must(t, os.Chmod(key, 0o644))
	code, _, stderr := usher(t, "try", "publish", "--cert", cert, "--key", key, "--token-file", in.token(t, "alice-key"), "a", "b")
	if code != cmdutil.ExitConfig || !strings.Contains(stderr, "0644") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}
