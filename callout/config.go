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
	"usher/callout/keyusage"
	"usher/callout/ratelimit"
	"usher/callout/session"
	"usher/internal/audit"
	"usher/internal/metrics"
	"usher/internal/tracing"
	"usher/issuer"
)

// Config configures a Service. New validates it.
type Config struct {
	URLs        string        // comma-separated NATS URLs
	Options     []nats.Option // authentication and TLS; the service sets the others
	Account     string        // the callout account, in which the service user must be
	Connections int           // service connections, all in one queue group
	Workers     int           // CPU slots: requests that compute at once, of all connections
	Queue       int           // requests that may wait to be admitted, of all connections
	Waiters     int           // requests that may wait for one slow verifier
	Order       admission.Order
	Failures    ratelimit.Config
	Budget      time.Duration // how long a client waits, from its connect until its answer has been processed
	Leeway      time.Duration // tolerated difference between the clocks of server and usher
	Version     string        // semantic version, for the nats micro service

	Decider *Decider
	Issuer  *issuer.Issuer
	Keyring func() *issuer.Keyring

	Log     *slog.Logger
	Audit   *audit.Log
	Metrics *metrics.Metrics
	Tracer  *tracing.Tracer // makes spans of requests that have ended; nil: none

	Sessions Sessions                  // the registry of granted connections; nil: none
	Limits   session.Limits            // of connections; nil: none
	Live     func() *keyusage.Sessions // what the Report says of live sessions; nil: nothing
	Sealed   func() map[string]int     // the Sealed of the Report; nil: nothing
	Now      func() time.Time
	Random   io.Reader     // for nonces
	NewID    func() string // returns a request id, which is unique and not secret
	Host     string        // name of the host for the Report; may be empty
}

// Bounds on the memory of the requests that are not finished. A usual one has 2 KB, but
// an MQTT client can make one of 250 KB without any credential.
const (
	bytesPerRequest = 64 << 10 // on average, if the queue is full
	leastBytes      = 16 << 20 // enough for some of the largest requests
)

// maxBytes returns how many bytes the requests that are not finished may have.
func (c *Config) maxBytes() int64 { return max(leastBytes, int64(c.Queue)*bytesPerRequest) }

func (c *Config) valid() error {
	switch {
	case c.URLs == "":
		return errors.New("callout: no NATS URL")
	case c.Account == "":
		return errors.New("callout: no callout account")
	case c.Connections < 1 || c.Workers < 1 || c.Queue < 1 || c.Waiters < 1:
		return errors.New("callout: connections, workers, queue and waiters must be at least 1")
	case !slices.Contains(admission.Orders(), c.Order):
		return fmt.Errorf("callout: unknown order %q", c.Order)
	case c.Budget <= 0:
		return errors.New("callout: the budget must be positive")
	case c.Failures.Now == nil, c.Decider == nil, c.Issuer == nil, c.Keyring == nil, c.Log == nil, c.Audit == nil,
		c.Metrics == nil, c.Now == nil, c.Random == nil, c.NewID == nil:
		return errors.New("callout: the configuration is incomplete")
	}
	names := map[string]bool{}
	for _, v := range c.Decider.Chain {
		if names[v.Name()] {
			return fmt.Errorf("callout: two verifiers are named %q", v.Name())
		}
		names[v.Name()] = true
	}
	return nil
}
