package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats-streaming-server/server"
	"github.com/nats-io/nats-streaming-server/stores"
)

// runServer serves NATS Streaming over an existing NATS until stdin closes or
// the process is told to end. Closing stdin is the way out that works on every
// system and also when the test that started it dies.
func runServer(args []string) error {
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	url := fs.String("nats-url", "", "URL of the NATS to be a client of; may hold user:password or a token")
	cluster := fs.String("cluster", "event-service", "streaming cluster id")
	heartbeat := fs.Duration("heartbeat", 30*time.Second, "how often each client is asked for a sign of life")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *url == "" {
		return fmt.Errorf("%w: server: --nats-url is required", errUsage)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()

	opts := server.GetDefaultOptions()
	opts.ID = *cluster
	opts.NATSServerURL = *url
	opts.StoreType = stores.TypeMemory
	opts.ClientHBInterval = *heartbeat
	srv, err := server.RunServerWithOpts(opts, nil)
	if err != nil {
		return fmt.Errorf("start streaming server: %w", err)
	}
	defer srv.Shutdown()

	fmt.Println("ready")
	<-ctx.Done()
	return nil
}
