package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/config"
	"usher/internal/ownedfile"
)

// maxSecretFile is far above any password or token.
const maxSecretFile = 16 << 10

// readSecret reads a one-line secret from a file that nobody else can read. Its
// errors do not say the path of a file that cannot be read, for it may be the
// secret itself; the caller says which key of the configuration named it.
func readSecret(path string, allowGroup bool) (string, error) {
	text, err := openSecret(path, allowGroup)
	var at *os.PathError
	if errors.As(err, &at) {
		err = unreadable(err)
	}
	return text, err
}

// openSecret is readSecret, with errors of the system that say the path.
func openSecret(path string, allowGroup bool) (string, error) {
	return openLine(path, ownedfile.Rule{Secret: true, GroupRead: allowGroup, Pipe: true})
}

// openLine reads the one line of a file that keeps the rule.
func openLine(path string, r ownedfile.Rule) (string, error) {
	f, _, err := ownedfile.Open(path, r)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	return readLine(f, path)
}

// unreadable is err, which a secret's file gave, without the path in it.
func unreadable(err error) error {
	return fmt.Errorf("cannot be read: %w (a relative path starts at the configuration file's directory)", withoutPath(err))
}

func withoutPath(err error) error {
	var at *os.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// readLine reads one line, without the white space around it. A name that is
// not "stdin" is not said: what was given as a path may be a secret.
func readLine(r io.Reader, name string) (string, error) {
	if name != "stdin" {
		name = "the file"
	}
	b, err := io.ReadAll(io.LimitReader(r, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", name, withoutPath(err))
	}
	text := strings.TrimSpace(string(b))
	switch {
	case len(b) > maxSecretFile:
		return "", fmt.Errorf("%s is too large", name)
	case text == "":
		return "", fmt.Errorf("%s has no text in it", name)
	case strings.ContainsAny(text, "\r\n"):
		return "", fmt.Errorf("%s holds more than one line", name)
	}
	return text, nil
}

// tlsOptions are what every connection to the server needs, whoever makes it.
func tlsOptions(c *config.TLS) ([]nats.Option, error) {
	var opts []nats.Option
	for _, f := range []struct{ key, path string }{{"ca_file", c.CAFile}, {"cert_file", c.CertFile}, {"key_file", c.KeyFile}} {
		if f.path == "" {
			continue
		}
		// They say which server is trusted, and who usher is. That others can read the
		// key was always let pass here: tools that make certificates write it so.
		if err := checkFile(f.path, ownedfile.Rule{}); err != nil {
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

// serviceOptions are those of the service user.
func serviceOptions(cfg *config.Config) ([]nats.Option, error) {
	opts, err := tlsOptions(&cfg.NATS.TLS)
	if err != nil {
		return nil, err
	}
	group := cfg.Keyring.AllowGroupReadable
	switch {
	case cfg.NATS.PasswordFile != "":
		password, err := readSecret(cfg.NATS.PasswordFile, group)
		if err != nil {
			return nil, fmt.Errorf("nats.password_file: %w", err)
		}
		opts = append(opts, nats.UserInfo(cfg.NATS.User, password))
	case cfg.NATS.NKeyFile != "":
		if _, err := readSecret(cfg.NATS.NKeyFile, group); err != nil {
			return nil, fmt.Errorf("nats.nkey_file: %w", err)
		}
		nkey, err := nats.NkeyOptionFromSeed(cfg.NATS.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("nats.nkey_file: %w", err)
		}
		opts = append(opts, nkey)
	case cfg.NATS.CredsFile != "":
		if err := checkCreds(cfg.NATS.CredsFile, group); err != nil {
			return nil, fmt.Errorf("nats.creds_file: %w", err)
		}
		opts = append(opts, nats.UserCredentials(cfg.NATS.CredsFile))
	}
	return opts, nil
}

// checkCreds reports a file with a secret that is not there, that others can read,
// or that others could have put there.
func checkCreds(path string, allowGroup bool) error {
	return checkFile(path, ownedfile.Rule{Secret: true, GroupRead: allowGroup})
}

// checkFile reports a file that does not keep the rule. What cannot be read is not
// named: its path may be a secret.
func checkFile(path string, r ownedfile.Rule) error {
	err := ownedfile.Check(path, r)
	var at *os.PathError
	if errors.As(err, &at) {
		return unreadable(err)
	}
	return err
}

// tellAgain is how often the same cause is logged: connections try for ever, and
// several times a second.
const tellAgain = time.Minute

// tellAttempts logs why the service's connections do not come about.
func tellAttempts(log *slog.Logger, now func() time.Time) nats.Option {
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

func natsURLs(cfg *config.Config) string { return strings.Join(cfg.NATS.URLs, ",") }

var errNoHealthCheck = errors.New("no health check is configured (accounts.healthcheck, healthcheck.token_file)")
