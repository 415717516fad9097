package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
)

// connection says how to connect to a NATS server.
type connection struct {
	url                 string
	ca, cert, key, name string
}

func (c *connection) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.url, "nats-url", "", "URL of the NATS server; may contain user:password or a token")
	fs.StringVar(&c.ca, "tls-ca", "", "file with the CA of the NATS server's certificate")
	fs.StringVar(&c.cert, "tls-cert", "", "file with the certificate to present")
	fs.StringVar(&c.key, "tls-key", "", "file with the private key of --tls-cert")
	fs.StringVar(&c.name, "tls-name", "", "name that the NATS server's certificate must hold for, and to ask for (SNI); default: the host of the URL")
}

func (c *connection) check(command string) error {
	switch {
	case c.url == "":
		return fmt.Errorf("%w: %s: --nats-url is required", errUsage, command)
	case (c.cert == "") != (c.key == ""):
		return fmt.Errorf("%w: %s: --tls-cert and --tls-key belong together", errUsage, command)
	case c.ca == "" && (c.cert != "" || c.name != ""):
		return fmt.Errorf("%w: %s: --tls-cert and --tls-name need --tls-ca", errUsage, command)
	}
	return nil
}

// options returns the options for TLS, none without --tls-ca.
func (c *connection) options() ([]nats.Option, error) {
	if c.ca == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.ca)
	if err != nil {
		return nil, fmt.Errorf("read CA: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.name, RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read CA: %s has no certificate", c.ca)
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return []nats.Option{nats.Secure(config)}, nil
}

// tokenOption returns the option for the token in a file, none without a file.
func tokenOption(file string) ([]nats.Option, error) {
	if file == "" {
		return nil, nil
	}
	token, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	return []nats.Option{nats.Token(strings.TrimSpace(string(token)))}, nil
}
