package callout

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/admission"
	"usher/internal/audit"
	"usher/internal/metrics"
	"usher/issuer"
)

// Config says how a Service works. New checks it.
type Config struct {
	URLs        string        // comma-separated NATS URLs
	Options     []nats.Option // authentication, TLS; the rest the service sets itself
	Account     string        // the callout account, which the service user has to be in
	Connections int           // service connections in the queue group
	Workers     int           // requests that are worked on at once
	Queue       int           // requests that may wait
	Waiters     int           // requests that may wait for one slow verifier
	Order       admission.Order
	Failures    admission.FailuresConfig
	Budget      time.Duration // from arrival to answer; after that it is not answered at all
	Leeway      time.Duration // how much the clocks of server and usher may differ
	Version     string        // semantic version, for nats micro

	Decider *Decider
	Issuer  *issuer.Issuer
	Keyring func() *issuer.Keyring

	Log     *slog.Logger
	Audit   *audit.Log
	Metrics *metrics.Metrics
	Now     func() time.Time
	Random  io.Reader     // for nonces
	NewID   func() string // a request id, unique and not secret
	Host    string        // of this process, for those who look at its Report; may be empty
}

func (c *Config) valid() error {
	switch {
	case c.URLs == "":
		return errors.New("callout: no NATS URL")
	case c.Account == "":
		return errors.New("callout: no callout account")
	case c.Connections < 1 || c.Workers < 1 || c.Queue < 1 || c.Waiters < 1:
		return errors.New("callout: connections, workers, queue and waiters are at least 1")
	case !slices.Contains(admission.Orders(), c.Order):
		return fmt.Errorf("callout: order %q", c.Order)
	case c.Budget <= 0:
		return errors.New("callout: the budget is not positive")
	case c.Failures.Now == nil, c.Decider == nil, c.Issuer == nil, c.Keyring == nil, c.Log == nil, c.Audit == nil,
		c.Metrics == nil, c.Now == nil, c.Random == nil, c.NewID == nil:
		return errors.New("callout: the configuration is incomplete")
	}
	names := map[string]bool{}
	for _, v := range c.Decider.Chain {
		if names[v.Name()] {
			return fmt.Errorf("callout: two verifiers are called %q", v.Name())
		}
		names[v.Name()] = true
	}
	return nil
}
