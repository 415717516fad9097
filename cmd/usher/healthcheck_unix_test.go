//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"

	"usher/app/setup"
	"usher/callout/callouttest"
)

// TestHealthcheckAfterStop: without a service nobody is healthy, though its token
// stays; and a token that others can read is not used.
func TestHealthcheckAfterStop(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.natsServer(t)
	p := in.serve(t)
	callouttest.Must(t, os.Chmod(in.path(setup.FileHealthToken), 0o644))
	unhealthy(t, in.config(), exitConfig, "healthcheck.token")
	callouttest.Must(t, os.Chmod(in.path(setup.FileHealthToken), 0o600))
	healthy(t, in.config())
	p.signal(t, syscall.SIGTERM)
	if code := p.wait(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	unhealthy(t, in.config(), exitRuntime, "is usher serve running")
}
