// Command usher is an auth callout service for NATS. See README.md.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"usher/cmd/usher/cmdutil"
)

func main() {
	// After the first signal the default comes back: a second Ctrl-C ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// run is the whole program but the process: tests call it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return cmdutil.Report(stderr, newApp(stdout, stderr).RunContext(ctx, args))
}
