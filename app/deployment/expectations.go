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

// Expectations knocks at every server, and looks at the requests that this causes. In
// operator mode a client without a sentinel shows the server's own; where it has none
// that is nobody's, the sentinel of the configuration is brought.
func (d *Deployment) Expectations(ctx context.Context) ([]rotation.Expectation, error) {
	keys, err := assembly.LoadKeyring(d.Cfg)
	if err != nil {
		return nil, err
	}
	bare := *d.Cfg
	bare.NATS.SentinelCredsFile = ""
	var all []rotation.Expectation
	for _, url := range d.urls() {
		x, err := d.knock(ctx, &bare, url, keys)
		if err == nil && x.Issuer == "" && d.Cfg.NATS.SentinelCredsFile != "" {
			x, err = d.knock(ctx, d.Cfg, url, keys)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

// settled is how long a request may be under way whose client was refused already.
const settled = 500 * time.Millisecond

func (d *Deployment) knock(ctx context.Context, cfg *config.Config, url string, keys *issuer.Keyring) (rotation.Expectation, error) {
	x := rotation.Expectation{URL: url}
	seen := make(chan *nats.Msg, 256)
	sub, err := d.service.ChanSubscribe(callout.Subject, seen)
	if err != nil {
		return x, fmt.Errorf("look at requests: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection is closed soon
	if err := d.service.FlushTimeout(RequestTimeout); err != nil {
		x.Problem = "the connection to NATS is away: " + err.Error()
		return x, nil
	}
	name, err := ProbeName()
	if err != nil {
		return x, err
	}
	result := make(chan error, 1)
	go func() { result <- knockAt(cfg, url, name) }()
	timeout := time.NewTimer(RequestTimeout)
	defer timeout.Stop()
	x.Problem = "a client knocked, and the server did not ask"
	for {
		select {
		case m := <-seen:
			sight := callout.Inspect(m, keys, time.Now())
			if sight.Client != name && sight.Issuer != "" {
				continue
			}
			if sight.Issuer == "" { // it may be another server's
				x.Problem = sight.Cause
				continue
			}
			x.Server, x.Issuer, x.XKey, x.Problem = sight.ServerName, sight.Issuer, sight.XKey, sight.Cause
			x.Sentinel = signerOf(sight.Sentinel)
			return x, nil
		case err := <-result:
			result = nil
			switch {
			case errors.Is(err, nats.ErrNoServers), natsconn.TimedOut(err):
				x.Problem = err.Error()
				return x, nil
			case errors.Is(err, nats.ErrAuthorization), err != nil && natsconn.AuthTimedOut(err): // its request has come, or there is none
				timeout.Reset(settled)
			}
		case <-timeout.C:
			return x, nil
		case <-ctx.Done():
			return x, ctx.Err()
		}
	}
}
