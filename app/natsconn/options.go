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

// TLSOptions returns the TLS options of every connection to the servers. It reads the
// files, so that a missing file is an error here and not at the first connection.
func TLSOptions(c *config.TLS) ([]nats.Option, error) { return tlsOptions("nats.tls", c) }

// tlsOptions returns the TLS options of the section at a path of the configuration.
func tlsOptions(at string, c *config.TLS) ([]nats.Option, error) {
	var opts []nats.Option
	for _, f := range []struct{ key, path string }{{"ca_file", c.CAFile}, {"cert_file", c.CertFile}, {"key_file", c.KeyFile}} {
		if f.path == "" {
			continue
		}
		// A user who can replace these files chooses the trusted server or the client
		// certificate. A readable key is accepted: tools that make certificates write it so.
		if err := secretfile.Check(f.path, ownedfile.Rule{}); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", at, f.key, err)
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
	var probe nats.Options
	for _, o := range opts {
		if err := o(&probe); err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
	}
	if probe.RootCAsCB != nil {
		if _, err := probe.RootCAsCB(); err != nil {
			return nil, fmt.Errorf("%s.ca_file: %w", at, err)
		}
	}
	if probe.TLSCertCB != nil {
		if _, err := probe.TLSCertCB(); err != nil {
			return nil, fmt.Errorf("%s.cert_file: %w", at, err)
		}
	}
	return opts, nil
}

// ServiceOptions returns TLSOptions and the credentials of the service user.
func ServiceOptions(cfg *config.Config) ([]nats.Option, error) {
	opts, err := TLSOptions(&cfg.NATS.TLS)
	if err != nil {
		return nil, err
	}
	n := &cfg.NATS
	return withCredentials(opts, "nats", login{n.User, n.PasswordFile, n.NKeyFile, n.CredsFile}, cfg.Keyring.AllowGroupReadable)
}

// BridgeOptions returns the options of the connection of stan_bridge.
func BridgeOptions(cfg *config.Config) ([]nats.Option, error) {
	c := &cfg.StanBridge
	opts, err := tlsOptions("stan_bridge.tls", &config.TLS{
		CAFile: c.TLS.CAFile, CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, ServerName: c.TLS.ServerName,
	})
	if err != nil {
		return nil, err
	}
	return withCredentials(opts, "stan_bridge", login{c.User, c.PasswordFile, c.NKeyFile, c.CredsFile}, cfg.Keyring.AllowGroupReadable)
}

// login has the keys of a section that say who connects.
type login struct{ user, passwordFile, nkeyFile, credsFile string }

// withCredentials adds the credentials of the section at a path of the configuration. group:
// the group may read their files.
func withCredentials(opts []nats.Option, at string, l login, group bool) ([]nats.Option, error) {
	switch {
	case l.passwordFile != "":
		password, err := secretfile.Read(l.passwordFile, group)
		if err != nil {
			return nil, fmt.Errorf("%s.password_file: %w", at, err)
		}
		opts = append(opts, nats.UserInfo(l.user, password))
	case l.nkeyFile != "":
		if _, err := secretfile.Read(l.nkeyFile, group); err != nil {
			return nil, fmt.Errorf("%s.nkey_file: %w", at, err)
		}
		nkey, err := nats.NkeyOptionFromSeed(l.nkeyFile)
		if err != nil {
			return nil, fmt.Errorf("%s.nkey_file: %w", at, err)
		}
		opts = append(opts, nkey)
	case l.credsFile != "":
		if err := secretfile.CheckSecret(l.credsFile, group); err != nil {
			return nil, fmt.Errorf("%s.creds_file: %w", at, err)
		}
		opts = append(opts, nats.UserCredentials(l.credsFile))
	}
	return opts, nil
}

// logAgain is the interval at which the same cause is logged again. Connections retry for
// ever, several times a second.
const logAgain = time.Minute

// LogConnectErrors returns an option that logs why connections of the service fail.
func LogConnectErrors(cfg *config.Config, log *slog.Logger, now func() time.Time) nats.Option {
	var mu sync.Mutex
	var last string
	var at time.Time
	return nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err.Error() == last && now().Sub(at) < logAgain {
			return
		}
		last, at = err.Error(), now()
		log.LogAttrs(context.Background(), slog.LevelError, "cannot connect to NATS; retrying",
			slog.String("error", last), slog.String("urls", URLs(cfg)), slog.String("user", serviceUser(cfg)), slog.String("hint", connectHint(err, &cfg.NATS.TLS, now())))
	})
}

// serviceUser describes the service user without its secret: its name, or the key of the
// configuration that names its credentials.
func serviceUser(cfg *config.Config) string {
	switch n := &cfg.NATS; {
	case n.NKeyFile != "":
		return "nats.nkey_file"
	case n.CredsFile != "":
		return "nats.creds_file"
	default:
		return n.User
	}
}

// connectHint says what to do about a connection that failed.
func connectHint(err error, c *config.TLS, now time.Time) string {
	if hint := TLSHint(err, c, now); hint != "" {
		return hint
	}
	if errors.Is(err, nats.ErrAuthorization) || AuthTimedOut(err) {
		return "the service user must be one of the server's auth_users, with this credential; usher check tells which part does not match"
	}
	return "is nats-server running at nats.urls? usher check tries each server"
}

// URLs returns nats.urls as nats.go takes them: separated by commas.
func URLs(cfg *config.Config) string { return strings.Join(cfg.NATS.URLs, ",") }

// ErrNoHealthCheck: the configuration has no health check.
var ErrNoHealthCheck = errors.New("no health check is configured (accounts.healthcheck, healthcheck.token_file)")

// SystemOptions returns the connection options of the system user of config mode, and the
// file with its credential.
func SystemOptions(cfg *config.Config) (opts []nats.Option, file string, err error) {
	if opts, err = TLSOptions(&cfg.NATS.TLS); err != nil {
		return nil, "", err
	}
	key, file := "nats.system_password_file", cfg.NATS.SystemPasswordFile
	if file == "" {
		key, file = "nats.system_nkey_file", cfg.NATS.SystemNKeyFile
	}
	text, err := secretfile.Read(file, cfg.Keyring.AllowGroupReadable)
	if err != nil {
		return nil, file, fmt.Errorf("%s: %w", key, err)
	}
	if cfg.NATS.SystemPasswordFile != "" {
		return append(opts, nats.UserInfo(cfg.NATS.SystemUser, text)), file, nil
	}
	nkey, err := nats.NkeyOptionFromSeed(file)
	if err != nil {
		return nil, file, fmt.Errorf("%s: %w", key, err)
	}
	return append(opts, nkey), file, nil
}
