package natsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"usher/internal/secretfile"

	"github.com/nats-io/nats.go"

	"usher/app/config"
	"usher/internal/ownedfile"
)

// TLSOptions are what every connection to the server needs, whoever makes it.
func TLSOptions(c *config.TLS) ([]nats.Option, error) {
	var opts []nats.Option
	for _, f := range []struct{ key, path string }{{"ca_file", c.CAFile}, {"cert_file", c.CertFile}, {"key_file", c.KeyFile}} {
		if f.path == "" {
			continue
		}
		// They say which server is trusted, and who usher is. That others can read the
		// key was always let pass here: tools that make certificates write it so.
		if err := secretfile.Check(f.path, ownedfile.Rule{}); err != nil {
			return nil, fmt.Errorf("nats.tls.%s: %w", f.key, err)
		}
	}
	if c.CAFile != "" {
		opts = append(opts, nats.RootCAs(c.CAFile))
	}
	if c.CertFile != "" {
		opts = append(opts, nats.ClientCert(c.CertFile, c.KeyFile))
	}
	if c.ServerName != "" {
		opts = append([]nats.Option{nats.Secure(&tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12})}, opts...)
	}
	if c.HandshakeFirst {
		opts = append(opts, nats.TLSHandshakeFirst())
	}
	// Applying them reads the files, so that a missing one is found now and not
	// when the first connection is made.
	var probe nats.Options
	for _, o := range opts {
		if err := o(&probe); err != nil {
			return nil, fmt.Errorf("nats.tls: %w", err)
		}
	}
	if probe.RootCAsCB != nil {
		if _, err := probe.RootCAsCB(); err != nil {
			return nil, fmt.Errorf("nats.tls.ca_file: %w", err)
		}
	}
	if probe.TLSCertCB != nil {
		if _, err := probe.TLSCertCB(); err != nil {
			return nil, fmt.Errorf("nats.tls.cert_file: %w", err)
		}
	}
	return opts, nil
}

// ServiceOptions are those of the service user.
func ServiceOptions(cfg *config.Config) ([]nats.Option, error) {
	opts, err := TLSOptions(&cfg.NATS.TLS)
	if err != nil {
		return nil, err
	}
	group := cfg.Keyring.AllowGroupReadable
	switch {
	case cfg.NATS.PasswordFile != "":
		password, err := secretfile.Read(cfg.NATS.PasswordFile, group)
		if err != nil {
			return nil, fmt.Errorf("nats.password_file: %w", err)
		}
		opts = append(opts, nats.UserInfo(cfg.NATS.User, password))
	case cfg.NATS.NKeyFile != "":
		if _, err := secretfile.Read(cfg.NATS.NKeyFile, group); err != nil {
			return nil, fmt.Errorf("nats.nkey_file: %w", err)
		}
		nkey, err := nats.NkeyOptionFromSeed(cfg.NATS.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("nats.nkey_file: %w", err)
		}
		opts = append(opts, nkey)
	case cfg.NATS.CredsFile != "":
		if err := secretfile.CheckSecret(cfg.NATS.CredsFile, group); err != nil {
			return nil, fmt.Errorf("nats.creds_file: %w", err)
		}
		opts = append(opts, nats.UserCredentials(cfg.NATS.CredsFile))
	}
	return opts, nil
}

// tellAgain is how often the same cause is logged: connections try for ever, and
// several times a second.
const tellAgain = time.Minute

// LogConnectErrors logs why the service's connections do not come about.
func LogConnectErrors(log *slog.Logger, now func() time.Time) nats.Option {
	var mu sync.Mutex
	var last string
	var at time.Time
	return nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err.Error() == last && now().Sub(at) < tellAgain {
			return
		}
		last, at = err.Error(), now()
		log.LogAttrs(context.Background(), slog.LevelError, "cannot connect to NATS, and goes on trying", slog.String("error", last))
	})
}

func URLs(cfg *config.Config) string { return strings.Join(cfg.NATS.URLs, ",") }

var ErrNoHealthCheck = errors.New("no health check is configured (accounts.healthcheck, healthcheck.token_file)")
