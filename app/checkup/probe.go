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

// Why a probe causes no authorization request.
var (
	errAccepted = errors.New("the server accepts a client with a random token")
	errNotAsked = errors.New("a client connected, but the server did not ask usher: auth callout is not active for this account")
)

// probe connects as a client with a random token, and returns the authorization request
// that the server sends about it. Without a request it appends a finding.
func (s *serverCheck) probe(ctx context.Context, requests <-chan *nats.Msg) (callout.Inspection, bool) {
	request, err := s.probeWithCreds(ctx, requests, s.cfg.NATS.SentinelCredsFile)
	switch {
	case errors.Is(err, errAccepted):
		s.Fail(fault.Config, "callout", s.url, "the server has no authorization, or it has a no_auth_user", "%v", err)
	case errors.Is(err, errNotAsked):
		s.Fail(fault.Config, "callout", s.url, "set authorization.auth_callout in the server's configuration, with account "+s.cfg.Accounts.Callout, "%v", err)
	case err != nil:
		s.Fail(fault.Runtime, "callout", s.url, "", "%v", err)
	}
	return request, err == nil
}

// probeWithoutSentinel connects as a client that has only a token, to check the
// default_sentinel of the server.
func (s *serverCheck) probeWithoutSentinel(ctx context.Context, requests <-chan *nats.Msg) {
	const check = "sentinel"
	if s.operator == nil || s.cfg.NATS.SentinelCredsFile == "" {
		return // config mode, or the first probe had only a token
	}
	before := len(*s.List)
	request, err := s.probeWithCreds(ctx, requests, "")
	set := "set default_sentinel in the server's configuration to the user JWT of a bearer of " + s.cfg.Accounts.Callout
	switch {
	case errors.Is(err, errAccepted):
		s.Fail(fault.Config, check, s.url, set+", and remove no_auth_user; the server accepts a user of another account without asking usher", "without a sentinel, %v", err)
	case errors.Is(err, errNotAsked):
		s.Warn(check, s.url, set+", so that they need none; a default_sentinel that is not a bearer, has expired or belongs to another account has no effect",
			"no default_sentinel: clients need the sentinel's credentials in addition to their token")
	case err != nil:
		s.Fail(fault.Runtime, check, s.url, "", "%v", err)
	default:
		s.defaultSentinel(&request)
	}
	if len(*s.List) == before {
		s.OK(check, s.url, "its default_sentinel is the same as in nats.sentinel_creds_file")
	}
}

// probeWithCreds connects with a random token and the sentinel of a .creds file; creds may
// be empty.
func (s *serverCheck) probeWithCreds(ctx context.Context, requests <-chan *nats.Msg, creds string) (callout.Inspection, error) {
	return s.captureRequest(ctx, requests, func(name string) error { return deployment.ProbeWith(s.cfg, s.url, name, creds) })
}

// captureRequest calls connect with the name of a new client, and returns the request that
// the server sends about it. connect returns nil if the server accepts the client.
func (s *serverCheck) captureRequest(ctx context.Context, requests <-chan *nats.Msg, connect func(name string) error) (callout.Inspection, error) {
	name, err := deployment.ProbeName()
	if err != nil {
		return callout.Inspection{}, err
	}
	result := make(chan error, 1)
	go func() { result <- connect(name) }()
	timeout := time.After(deployment.RequestTimeout)
	for {
		select {
		case m := <-requests:
			request := callout.Inspect(m, s.keys, s.now())
			// A request that usher cannot decrypt may be about another client. It shows the
			// same fault of the server.
			if request.Client == name || request.Issuer == "" {
				return request, nil
			}
		case err := <-result:
			if err == nil {
				return callout.Inspection{}, errAccepted
			}
			result = nil // refused; the request is in the channel, or comes now
		case <-timeout:
			return callout.Inspection{}, errNotAsked
		case <-ctx.Done():
			return callout.Inspection{}, ctx.Err()
		}
	}
}
