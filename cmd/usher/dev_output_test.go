package main

import (
	"context"
	"strings"
	"testing"

	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestDevPrintsItsTextFirst: on a terminal the commands to paste come before the log, and
// no log line is lost.
func TestDevPrintsItsTextFirst(t *testing.T) {
	t.Parallel()
	var terminal callouttest.Buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"usher", "dev", "--listen", "127.0.0.1:0"}, &terminal, &terminal) }()
	callouttest.Eventually(t, "it has said all", func() bool {
		return strings.Contains(terminal.String(), "usher explain") && strings.Contains(terminal.String(), "level=INFO") || len(ended) > 0
	})
	stop()
	if code := <-ended; code != cmdutil.ExitOK {
		t.Errorf("exit code %d", code)
	}
	if text := terminal.String(); !strings.HasPrefix(text, "nats-server listens on ") || strings.Index(text, "level=") < strings.Index(text, " user list ") {
		t.Errorf("it begins with something else:\n%s", text)
	}
	if !strings.Contains(terminal.String(), "directory loaded") {
		t.Errorf("what was logged before is lost:\n%s", terminal.String())
	}
}
