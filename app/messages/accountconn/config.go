package accountconn

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/config"
	"usher/app/natsconn"
	"usher/issuer"
	"usher/tokens/service"
)

// Config configures a Pool. URLs, Keyring, Random, Now and Log are required.
type Config struct {
	URLs    string        // comma-separated
	Options []nats.Option // TLS, and the sentinel of operator mode
	Keyring func() *issuer.Keyring
	Random  io.Reader
	Now     func() time.Time
	Log     *slog.Logger
	// Failed is told why connections fail, several times a second; nil: nobody is.
	Failed func(account string, err error)

	Lifetime time.Duration // of a token, and so of what was granted for it; 0: service.Lifetime
	Idle     time.Duration // a connection that nobody uses for so long is closed; 0: 10 min
	Attempt  time.Duration // a first connection is tried for so long; 0: 10 s
}

// FromConfig returns the Config for the servers of usher.yaml.
func FromConfig(cfg *config.Config, keys func() *issuer.Keyring, now func() time.Time, log *slog.Logger) (Config, error) {
	opts, err := natsconn.TLSOptions(&cfg.NATS.TLS)
	if err != nil {
		return Config{}, err
	}
	if path := cfg.NATS.SentinelCredsFile; path != "" {
		sentinel, err := natsconn.Sentinel(path)
		if err != nil {
			return Config{}, fmt.Errorf("nats.sentinel_creds_file: %w", err)
		}
		opts = append(opts, sentinel)
	}
	return Config{
		URLs: natsconn.URLs(cfg), Options: opts, Keyring: keys, Random: rand.Reader, Now: now, Log: log,
		Failed: natsconn.LogAccountErrors(cfg, log, now),
	}, nil
}

func (c *Config) valid() error {
	if c.URLs == "" || c.Keyring == nil || c.Random == nil || c.Now == nil || c.Log == nil {
		return errors.New("accountconn: URLs, Keyring, Random, Now and Log are required")
	}
	if c.Lifetime == 0 {
		c.Lifetime = service.Lifetime
	}
	if c.Idle == 0 {
		c.Idle = 10 * time.Minute
	}
	if c.Attempt == 0 {
		c.Attempt = 10 * time.Second
	}
	if c.Failed == nil {
		c.Failed = func(string, error) {}
	}
	return nil
}
