package natsconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"usher/internal/secretfile"
	"usher/issuer/operator"

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
			return nil, &FileError{Key: at + "." + f.key, Path: f.path, Err: err}
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
	return withCredentials(opts, "nats", serviceLogin(cfg), cfg.Keyring.AllowGroupReadable)
}

// BridgeOptions returns the options of the connection of stan_bridge.
func BridgeOptions(cfg *config.Config) ([]nats.Option, error) {
	opts, err := tlsOptions("stan_bridge.tls", bridgeTLS(cfg))
	if err != nil {
		return nil, err
	}
	return withCredentials(opts, "stan_bridge", bridgeLogin(cfg), cfg.Keyring.AllowGroupReadable)
}

// SessionsOptions returns the options of the connection of sessions to the system account.
func SessionsOptions(cfg *config.Config) ([]nats.Option, error) {
	opts, err := TLSOptions(&cfg.NATS.TLS)
	if err != nil {
		return nil, err
	}
	opts = append(opts, nats.CustomInboxPrefix(operator.SessionsInbox))
	return withCredentials(opts, "sessions", sessionsLogin(cfg), cfg.Keyring.AllowGroupReadable)
}

func bridgeTLS(cfg *config.Config) *config.TLS {
	c := &cfg.StanBridge.TLS
	return &config.TLS{CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile, ServerName: c.ServerName}
}

// login has the keys of a section that say who connects.
type login struct{ user, passwordFile, nkeyFile, credsFile string }

func serviceLogin(cfg *config.Config) login {
	n := &cfg.NATS
	return login{n.User, n.PasswordFile, n.NKeyFile, n.CredsFile}
}

func bridgeLogin(cfg *config.Config) login {
	c := &cfg.StanBridge
	return login{c.User, c.PasswordFile, c.NKeyFile, c.CredsFile}
}

func sessionsLogin(cfg *config.Config) login {
	c := &cfg.Sessions
	return login{c.User, c.PasswordFile, c.NKeyFile, c.CredsFile}
}

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
