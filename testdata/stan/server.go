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

// runServer serves NATS Streaming over an existing NATS server until stdin closes or the
// process gets a signal. Closing stdin works on every system, and happens even if the test
// that started the process dies.
func runServer(args []string) error {
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	url := fs.String("nats-url", "", "URL of the NATS server; may contain user:password or a token")
	cluster := fs.String("cluster", "event-service", "streaming cluster id")
	heartbeat := fs.Duration("heartbeat", 30*time.Second, "interval of heartbeats to each client")
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
