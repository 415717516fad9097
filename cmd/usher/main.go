// Command usher is an auth callout service for NATS. See README.md.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"usher/cmd/usher/cmdutil"
	"usher/tokens/automate"
)

func main() {
	automate.DiscardLog()
	// The first signal restores the default handler: a second Ctrl-C ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// run runs the program with args and returns its exit code. Tests call it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return cmdutil.ReportError(stderr, newApp(stdout, stderr).RunContext(ctx, args))
}
