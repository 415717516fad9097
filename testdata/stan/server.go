package main

import (
	"flag"
	"fmt"
	"time"

	"github.com/nats-io/nats-streaming-server/server"
	"github.com/nats-io/nats-streaming-server/stores"
	"github.com/nats-io/nats.go"
)

// runServer serves NATS Streaming over an existing NATS server until stdin closes or the
// process gets a signal.
func runServer(args []string) error {
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	var c connection
	c.flags(fs)
	cluster := fs.String("cluster", "event-service", "streaming cluster id")
	heartbeat := fs.Duration("heartbeat", 30*time.Second, "interval of heartbeats to each client")
	channels := fs.Int("channels", 0, "number of channels that it may have; default: that of the server")
	store := fs.String("store", "", "folder to keep channels and clients in; default: in memory")
	if err := parse(fs, args); err != nil {
		return err
	}
	if err := c.check("server"); err != nil {
		return err
	}
	natsOptions, err := c.options()
	if err != nil {
		return err
	}
	ctx, stop := untilStopped()
	defer stop()

	opts := server.GetDefaultOptions()
	opts.ID = *cluster
	opts.NATSServerURL = c.url
	// The server gives up a connection that was down for two minutes otherwise.
	opts.NATSClientOpts = append(natsOptions, nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond))
	opts.StoreType = stores.TypeMemory
	if *store != "" {
		opts.StoreType, opts.FilestoreDir = stores.TypeFile, *store
	}
	if *channels > 0 {
		opts.MaxChannels = *channels
	}
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
