package main

import (
	"flag"
	"fmt"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-streaming-server/server"
	"github.com/nats-io/nats-streaming-server/stores"
)

// runEmbedded serves NATS Streaming over a NATS server inside this process, as Chef
// Automate's event-service does, until stdin closes or the process gets a signal.
func runEmbedded(args []string) error {
	fs := flag.NewFlagSet("embedded", flag.ContinueOnError)
	var c connection
	fs.StringVar(&c.ca, "tls-ca", "", "file with the CA of the NATS server's certificate")
	fs.StringVar(&c.cert, "tls-cert", "", "file with the certificate of the streaming server")
	fs.StringVar(&c.key, "tls-key", "", "file with the private key of --tls-cert")
	fs.StringVar(&c.name, "tls-name", "", "name that the NATS server's certificate holds for")
	config := fs.String("config", "", "configuration file of the NATS server")
	cluster := fs.String("cluster", "event-service", "streaming cluster id")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *config == "" || c.ca == "" || c.cert == "" || c.key == "" {
		return fmt.Errorf("%w: embedded: --config, --tls-ca, --tls-cert and --tls-key are required", errUsage)
	}
	natsOptions, err := natsserver.ProcessConfigFile(*config)
	if err != nil {
		return fmt.Errorf("read %s: %w", *config, err)
	}
	ctx, stop := untilStopped()
	defer stop()
	opts := server.GetDefaultOptions()
	opts.ID = *cluster
	opts.StoreType = stores.TypeMemory
	opts.ClientHBInterval = 30 * time.Second
	opts.Secure, opts.ClientCA, opts.ClientCert, opts.ClientKey, opts.TLSServerName = true, c.ca, c.cert, c.key, c.name
	srv, err := server.RunServerWithOpts(opts, natsOptions)
	if err != nil {
		return fmt.Errorf("start streaming server: %w", err)
	}
	defer srv.Shutdown()
	fmt.Println("ready")
	<-ctx.Done()
	return nil
}
