//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestHealthcheckAfterStop: after usher stopped the check fails, although the token file
// stays; a token file that others can read is not used.
func TestHealthcheckAfterStop(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.NatsServer(t)
	p := in.serve(t)
	callouttest.Must(t, os.Chmod(in.Path(setup.FileHealthToken), 0o644))
	unhealthy(t, in.Config(), cmdutil.ExitConfig, "healthcheck.token")
	callouttest.Must(t, os.Chmod(in.Path(setup.FileHealthToken), 0o600))
	healthy(t, in.Config())
	p.signal(t, syscall.SIGTERM)
	if code := p.wait(t); code != cmdutil.ExitOK {
		t.Errorf("exit code %d", code)
	}
	unhealthy(t, in.Config(), cmdutil.ExitRuntime, "check that usher serve")
}
