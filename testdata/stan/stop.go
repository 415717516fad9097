package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// untilStopped returns a context that ends when stdin closes or the process gets a signal.
// Closing stdin works on every system, and happens even if the test that started the
// process dies.
func untilStopped() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	return ctx, func() { cancel(); stop() }
}
