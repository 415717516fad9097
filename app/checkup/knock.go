package checkup

import (
	"context"
	"errors"
	"time"

	"usher/app/deployment"
	"usher/internal/fault"

	"github.com/nats-io/nats.go"

	"usher/callout"
)

// What becomes of a client that knocks, and that the server does not ask about.
var (
	errGotIn    = errors.New("a client with a random token got in")
	errNotAsked = errors.New("a client connected, but the server did not ask usher: auth callout is not active for this account")
)

// knock returns the request that a client causes, or says why there was none.
func (s *serverCheck) knock(ctx context.Context, seen <-chan *nats.Msg) (callout.Inspection, bool) {
	sight, err := s.causes(ctx, seen, s.cfg.NATS.SentinelCredsFile)
	switch {
	case errors.Is(err, errGotIn):
		s.Fail(fault.Config, "callout", s.url, "the server has no authorization, or it has a no_auth_user", "%v", err)
	case errors.Is(err, errNotAsked):
		s.Fail(fault.Config, "callout", s.url, "set authorization.auth_callout in the server's configuration, with account "+s.cfg.Accounts.Callout, "%v", err)
	case err != nil:
		s.Fail(fault.Runtime, "callout", s.url, "", "%v", err)
	}
	return sight, err == nil
}

// tokenOnly knocks as a client does that has nothing but a token: what the server
// makes of that is not seen where the client brings the sentinel itself.
func (s *serverCheck) tokenOnly(ctx context.Context, seen <-chan *nats.Msg) {
	const check = "sentinel"
	if s.operator == nil || s.cfg.NATS.SentinelCredsFile == "" {
		return // config mode, or the first one had nothing else
	}
	before := len(*s.List)
	sight, err := s.causes(ctx, seen, "")
	set := "set default_sentinel in the server's configuration to the user JWT of a bearer of " + s.cfg.Accounts.Callout
	switch {
	case errors.Is(err, errGotIn):
		s.Fail(fault.Config, check, s.url, set+", and remove no_auth_user; the server accepts a user of another account without asking usher", "without a sentinel, %v", err)
	case errors.Is(err, errNotAsked):
		s.Warn(check, s.url, set+", so that they need none; a default_sentinel that is not a bearer, has expired or belongs to another account has no effect",
			"no default_sentinel: clients need the sentinel's credentials in addition to their token")
	case err != nil:
		s.Fail(fault.Runtime, check, s.url, "", "%v", err)
	default:
		s.sighted(&sight)
	}
	if len(*s.List) == before {
		s.OK(check, s.url, "its default_sentinel is the same as in nats.sentinel_creds_file")
	}
}

// causes lets a client knock, with the credentials of a sentinel if there are any,
// and returns the request that this causes.
func (s *serverCheck) causes(ctx context.Context, seen <-chan *nats.Msg, creds string) (callout.Inspection, error) {
	return s.causedBy(ctx, seen, func(name string) error { return deployment.ProbeWith(s.cfg, s.url, name, creds) })
}

// causedBy returns the request that a client with a name causes.
func (s *serverCheck) causedBy(ctx context.Context, seen <-chan *nats.Msg, knock func(name string) error) (callout.Inspection, error) {
	name, err := deployment.ProbeName()
	if err != nil {
		return callout.Inspection{}, err
	}
	result := make(chan error, 1)
	go func() { result <- knock(name) }()
	timeout := time.After(deployment.RequestTimeout)
	for {
		select {
		case m := <-seen:
			sight := callout.Inspect(m, s.keys, s.now())
			// One that cannot be opened may be another client's; it says the same of the server.
			if sight.Client == name || sight.Issuer == "" {
				return sight, nil
			}
		case err := <-result:
			if err == nil {
				return callout.Inspection{}, errGotIn
			}
			result = nil // refused; its request must have come, or comes now
		case <-timeout:
			return callout.Inspection{}, errNotAsked
		case <-ctx.Done():
			return callout.Inspection{}, ctx.Err()
		}
	}
}
