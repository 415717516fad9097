package deployment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/assembly"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/app/rotation"
	"usher/callout"
	"usher/issuer"
)

// Expectations probes every server and reads from its request which keys it expects. In
// operator mode a probe without a sentinel shows the default_sentinel of the server. If the
// server has none, a second probe presents the sentinel of the configuration.
func (d *Deployment) Expectations(ctx context.Context) ([]rotation.Expectation, error) {
	keys, err := assembly.LoadKeyring(d.Cfg)
	if err != nil {
		return nil, err
	}
	bare := *d.Cfg
	bare.NATS.SentinelCredsFile = ""
	var all []rotation.Expectation
	for _, url := range d.urls() {
		x, err := d.probe(ctx, &bare, url, keys)
		if err == nil && x.Issuer == "" && d.Cfg.NATS.SentinelCredsFile != "" {
			x, err = d.probe(ctx, d.Cfg, url, keys)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

// requestDelay bounds how long a request may take to arrive after its client was refused.
const requestDelay = 500 * time.Millisecond

func (d *Deployment) probe(ctx context.Context, cfg *config.Config, url string, keys *issuer.Keyring) (rotation.Expectation, error) {
	x := rotation.Expectation{URL: url}
	seen := make(chan *nats.Msg, 256)
	sub, err := d.service.ChanSubscribe(callout.Subject, seen)
	if err != nil {
		return x, fmt.Errorf("subscribe to requests: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection is closed soon
	if err := d.service.FlushTimeout(RequestTimeout); err != nil {
		x.Problem = "the connection to NATS is down: " + err.Error()
		return x, nil
	}
	name, err := ProbeName()
	if err != nil {
		return x, err
	}
	result := make(chan error, 1)
	go func() { result <- probeAt(cfg, url, name) }()
	timeout := time.NewTimer(RequestTimeout)
	defer timeout.Stop()
	x.Problem = "the server did not send a request for the probe"
	for {
		select {
		case m := <-seen:
			inspection := callout.Inspect(m, keys, time.Now())
			if inspection.Client != name && inspection.Issuer != "" {
				continue
			}
			if inspection.Issuer == "" { // it may be another server's
				x.Problem = inspection.Cause
				continue
			}
			x.Server, x.Issuer, x.XKey, x.Problem = inspection.ServerName, inspection.Issuer, inspection.XKey, inspection.Cause
			x.Sentinel = signerOf(inspection.Sentinel)
			return x, nil
		case err := <-result:
			result = nil
			switch {
			case errors.Is(err, nats.ErrNoServers), natsconn.TimedOut(err):
				x.Problem = err.Error()
				return x, nil
			case errors.Is(err, nats.ErrAuthorization), err != nil && natsconn.AuthTimedOut(err): // its request has come, or there is none
				timeout.Reset(requestDelay)
			}
		case <-timeout.C:
			return x, nil
		case <-ctx.Done():
			return x, ctx.Err()
		}
	}
}
