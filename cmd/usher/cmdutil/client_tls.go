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

// TLSFlags are the options of TLS of commands that connect as clients do, without a
// configuration.
func TLSFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificate authority of nats-server"},
		&cli.StringFlag{Name: "cert", Usage: "`FILE` with the client certificate, with --key"},
		&cli.StringFlag{Name: "key", Usage: "`FILE` with the private key of --cert"},
		&cli.BoolFlag{Name: "tls-first", Usage: "begin with the TLS handshake, as for a server with handshake_first: true"},
	}
}

// ClientCertificate reads the certificate that the command line names; nil: none.
func ClientCertificate(c *cli.Context) (*tls.Certificate, error) {
	cert, key := c.String("cert"), c.String("key")
	switch {
	case cert == "" && key == "":
		return nil, nil //nolint:nilnil // there need not be one
	case cert == "":
		return nil, UsageError("--cert FILE", "--key: for which certificate?")
	case key == "":
		return nil, UsageError("--key FILE", "--cert: with which private key?")
	}
	var refused *ownedfile.Error
	if err := ownedfile.Check(key, ownedfile.Rule{Secret: true}); errors.As(err, &refused) {
		return nil, fault.InConfig(fmt.Errorf("--key: %w", err))
	} else if err != nil {
		return nil, UsageError("", "--key cannot be read: %w", secretfile.WithoutPath(err))
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, UsageError("both are PEM files, and belong together", "--cert and --key: %w", secretfile.WithoutPath(err))
	}
	return &pair, nil
}

// TLSClientOptions are what the options of TLS make of a client.
func TLSClientOptions(c *cli.Context) ([]nats.Option, error) {
	var opts []nats.Option
	if path := c.String("ca"); path != "" {
		pool, err := ReadCA(path)
		if err != nil {
			return nil, UsageError("a PEM file", "--ca: %w", secretfile.WithoutPath(err))
		}
		opts = append(opts, nats.Secure(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	}
	certificate, err := ClientCertificate(c)
	if err != nil {
		return nil, err
	}
	if certificate != nil {
		opts = append(opts, func(o *nats.Options) error {
			if o.TLSConfig == nil {
				o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
			}
			o.TLSConfig.Certificates = []tls.Certificate{*certificate}
			o.Secure = true
			return nil
		})
	}
	if c.Bool("tls-first") {
		opts = append(opts, nats.TLSHandshakeFirst())
	}
	return opts, nil
}
