//go:build unix

package main

import (
	"strings"
	"testing"

	"usher/callout/callouttest"
	"usher/tokens/automate/automatetest"
)

// Nothing but usher writes to its stderr, whatever the environment says.
//
// Attack: somebody in the place of one of Automate's services fills usher's stderr, or has what it sends written there
// Held by: gRPC writes no log of its own
func TestLogOfGRPC(t *testing.T) {
	t.Setenv("GRPC_GO_LOG_SEVERITY_LEVEL", "info")
	t.Setenv("GRPC_GO_LOG_VERBOSITY_LEVEL", "99")
	a := automatetest.New(t)
	in := newInstallation(t, "#credentials:\n", "credentials:\n  automate: ["+a.Config("chef", "")+"]\n")
	in.Write(t, "token", "unknown-token")
	_, stdout, stderr := output(t, callouttest.Build(t, "usher", "."), "explain", "-c", in.Config(), "--token-file", in.Path("token"))
	if len(a.Asked()) == 0 {
		t.Fatalf("authn-service was not asked:\n%s%s", stdout, stderr)
	}
	if strings.Contains(stderr, "[core]") || strings.Contains(stderr, "[transport]") {
		t.Errorf("stderr:\n%s", stderr)
	}
}
