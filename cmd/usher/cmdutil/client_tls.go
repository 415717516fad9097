package cmdutil

import (
	"crypto/tls"
	"errors"
	"fmt"

	"usher/internal/fault"
	"usher/internal/secretfile"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"

	"usher/internal/ownedfile"
)

// TLSFlags returns the TLS options of commands that connect to nats-server as a client,
// without a configuration.
func TLSFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificate authority of nats-server"},
		&cli.StringFlag{Name: "cert", Usage: "`FILE` with the client certificate, with --key"},
		&cli.StringFlag{Name: "key", Usage: "`FILE` with the private key of --cert"},
		&cli.StringFlag{Name: "server-name", Usage: "`NAME` to verify in the certificate of nats-server, if it is not the host of the URL"},
		&cli.BoolFlag{Name: "tls-first", Usage: "start with the TLS handshake, for a server with handshake_first: true"},
	}
}

// ClientCertificate loads the certificate and key of --cert and --key. It returns nil if
// neither is set. A key file that others can read is a configuration error.
func ClientCertificate(c *cli.Context) (*tls.Certificate, error) {
	cert, key := c.String("cert"), c.String("key")
	switch {
	case cert == "" && key == "":
		return nil, nil //nolint:nilnil // a client certificate is optional
	case cert == "":
		return nil, UsageError("name the certificate with --cert FILE", "--key needs --cert")
	case key == "":
		return nil, UsageError("name the private key with --key FILE", "--cert needs --key")
	}
	var refused *ownedfile.Error
	if err := ownedfile.Check(key, ownedfile.Rule{Secret: true}); errors.As(err, &refused) {
		return nil, fault.InConfig(fmt.Errorf("--key: %w", err))
	} else if err != nil {
		return nil, UsageError("", "--key cannot be read: %w", secretfile.WithoutPath(err))
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, UsageError("give a matching pair of PEM files", "--cert and --key: %w", secretfile.WithoutPath(err))
	}
	return &pair, nil
}

// TLSOptions returns the connection options that TLSFlags select.
func TLSOptions(c *cli.Context) ([]nats.Option, error) {
	var opts []nats.Option
	if path := c.String("ca"); path != "" {
		pool, err := LoadCertPool(path)
		if err != nil {
			return nil, UsageError("give a PEM file", "--ca: %w", secretfile.WithoutPath(err))
		}
		opts = append(opts, nats.Secure(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	}
	certificate, err := ClientCertificate(c)
	if err != nil {
		return nil, err
	}
	if certificate != nil {
		opts = append(opts, withTLS(func(t *tls.Config) { t.Certificates = []tls.Certificate{*certificate} }))
	}
	if name := c.String("server-name"); name != "" {
		opts = append(opts, withTLS(func(t *tls.Config) { t.ServerName = name }))
	}
	if c.Bool("tls-first") {
		opts = append(opts, nats.TLSHandshakeFirst())
	}
	return opts, nil
}

// withTLS changes the TLS configuration of a connection, which needs TLS then.
func withTLS(change func(*tls.Config)) nats.Option {
	return func(o *nats.Options) error {
		if o.TLSConfig == nil {
			o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		change(o.TLSConfig)
		o.Secure = true
		return nil
	}
}
