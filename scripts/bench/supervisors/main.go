// Command supervisors is the load of "make bench" for the event gateway: supervisors that
// connect to the external server with a token, publish an event a second each and stay,
// and a service that reads the events from the internal server. Both are in one process, so
// one clock measures how long an event takes; the servers and usher are processes of their
// own.
//
// It prints one JSON object. Use it for measurements only.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"usher/app/setup"
)

// options are the command line options.
type options struct {
	usher, server   string // programs
	dir             string
	static          bool
	clients         int
	rate            float64 // connects per second
	every, duration time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "supervisors: error: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("supervisors", flag.ContinueOnError)
	flags.StringVar(&o.usher, "usher", "", "`PROGRAM`")
	flags.StringVar(&o.server, "nats-server", "", "`PROGRAM`")
	flags.StringVar(&o.dir, "dir", "", "new `FOLDER` for the files")
	flags.BoolVar(&o.static, "static", false, "a static token in place of usher")
	flags.IntVar(&o.clients, "clients", 1000, "supervisors")
	flags.Float64Var(&o.rate, "rate", 200, "supervisors that begin to connect per second")
	flags.DurationVar(&o.every, "every", time.Second, "time between two events of a supervisor")
	flags.DurationVar(&o.duration, "duration", 30*time.Second, "how long they publish, once all are connected")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.usher == "" || o.server == "" || o.dir == "" {
		return errors.New("--usher, --nats-server and --dir are required")
	}
	if o.clients < 1 || o.rate <= 0 || o.every <= 0 || o.duration <= 0 {
		return errors.New("--clients, --rate, --every and --duration must be above 0")
	}
	found, err := measure(ctx, &o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// roots reads a CA.
func roots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file) //nolint:gosec // a file of the temporary directory
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate", file)
	}
	return roots, nil
}

// externalTLS is what supervisors connect with. They keep no sessions: each has a full
// handshake, as different machines have.
func externalTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "localhost"}
}

// internalTLS is what the service connects with.
func internalTLS(s *site, roots *x509.CertPool) (*tls.Config, error) {
	const service = setup.ServiceApplications
	pair, err := tls.LoadX509KeyPair(s.path(setup.CertFile(service)), s.path(setup.KeyFile(service)))
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: setup.GatewayInternal, Certificates: []tls.Certificate{pair}}, nil
}
