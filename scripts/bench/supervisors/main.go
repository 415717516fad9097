// Command supervisors is the load of "make bench" for the event gateway: supervisors that
// connect to the external server with a token, publish an event a second each and stay,
// and a service that reads the events from the internal server. All of it runs in one
// process, so one clock measures how long an event takes.
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
	"strings"
	"syscall"
	"time"
)

// options are the command line options.
type options struct {
	external, internal string // HOST:PORT
	name, service      string // of the certificates of the two servers
	ca, cert, key      string // files: of both servers, and of the service
	tokenFile          string
	clients            int
	rate               float64 // connects per second
	every, duration    time.Duration
	memory             string // PID,PID,...
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
	flags.StringVar(&o.external, "external", "", "`HOST:PORT` of the external server")
	flags.StringVar(&o.internal, "internal", "", "`HOST:PORT` of the internal server")
	flags.StringVar(&o.name, "name", "localhost", "`NAME` in the certificate of the external server")
	flags.StringVar(&o.service, "internal-name", "event-service", "`NAME` in the certificate of the internal server")
	flags.StringVar(&o.ca, "ca", "", "`FILE` with the CA of both")
	flags.StringVar(&o.cert, "cert", "", "`FILE` with the certificate of a service")
	flags.StringVar(&o.key, "key", "", "`FILE` with its key")
	flags.StringVar(&o.tokenFile, "token-file", "", "`FILE` with the token of the supervisors")
	flags.IntVar(&o.clients, "clients", 1000, "supervisors")
	flags.Float64Var(&o.rate, "rate", 200, "supervisors that begin to connect per second")
	flags.DurationVar(&o.every, "every", time.Second, "time between two events of a supervisor")
	flags.DurationVar(&o.duration, "duration", 30*time.Second, "how long they publish, once all are connected")
	flags.StringVar(&o.memory, "memory", "", "`PIDS` of processes whose memory is measured, separated by commas")
	if err := flags.Parse(args); err != nil {
		return err
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

// token reads the token of the supervisors.
func (o *options) token() (string, error) {
	text, err := os.ReadFile(o.tokenFile)
	return strings.TrimSpace(string(text)), err
}

// roots reads the CA.
func (o *options) roots() (*x509.CertPool, error) {
	text, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate", o.ca)
	}
	return roots, nil
}

// externalTLS is what supervisors connect with. They keep no sessions: each has a full
// handshake, as different machines have.
func (o *options) externalTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: o.name}
}

// internalTLS is what the service connects with.
func (o *options) internalTLS(roots *x509.CertPool) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: o.service, Certificates: []tls.Certificate{pair}}, nil
}
