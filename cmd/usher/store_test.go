package main

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestWaitsAndSaysSo: a command that waits for the bucket prints a note with the cause, and
// can be interrupted.
func TestWaitsAndSaysSo(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--kv")
	// The first error of nats.go need not be the refused connection.
	says := regexp.MustCompile(`note: waiting for the directory, bucket usher_directory: (dial tcp|not connected|nats: no servers)`)
	for _, args := range [][]string{
		{"bootstrap", "-c", in.Config(), "--to", in.Path("key")},
		{"explain", "-c", in.Config(), "--token-file", in.token(t, "alice-key")},
	} {
		ctx, stop := context.WithCancel(t.Context())
		var stdout, stderr callouttest.Buffer
		ended := make(chan int, 1)
		go func() { ended <- run(ctx, append([]string{"usher"}, args...), &stdout, &stderr) }()
		callouttest.Eventually(t, args[0]+" says what it waits for", func() bool {
			return says.MatchString(stderr.String())
		})
		stop()
		if code := <-ended; code != cmdutil.ExitInterrupted || !strings.HasSuffix(stderr.String(), "usher: error: interrupted\n") || stdout.String() != "" {
			t.Errorf("%d %s%s", code, stdout.String(), stderr.String())
		}
	}
	if apptest.FileExists(in.Path("key")) {
		t.Error("a file without a key stays")
	}
}

// TestWaitsForNothing: a command fails at once on an error that waiting does not fix.
func TestWaitsForNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, replacement, says, hint string }{
		"no JetStream":        {"jetstream {", "# jetstream {", "JetStream is not enabled on server", "jetstream { store_dir"},
		"not for the account": {"the only user.\n    jetstream: enabled", "the only user.", "JetStream is not enabled for account AUTH", "jetstream: enabled in account AUTH"},
	} {
		in := initialized(t, "--kv")
		in.Edit(t, setup.FileServerConfig, c.old, c.replacement)
		in.NatsServer(t)
		code, stdout, stderr := usher(t, "bootstrap", "-c", in.Config())
		if code != cmdutil.ExitConfig || stdout != "" || !strings.Contains(stderr, "error: cannot load the directory: bucket usher_directory: "+c.says) || !strings.Contains(stderr, "hint: ") || !strings.Contains(stderr, c.hint) {
			t.Errorf("%s: %d %s%s", name, code, stdout, stderr)
		}
	}
}
