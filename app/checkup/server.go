package checkup

import (
	"context"
	"errors"
	"time"

	"usher/internal/fault"

	"github.com/nats-io/nats.go"

	"usher/app/assembly"
	"usher/app/checkup/finding"
	"usher/app/checkup/operatormode"
	"usher/app/config"
	"usher/app/deployment"
	"usher/app/natsconn"
	"usher/callout"
	"usher/issuer"
)

const (
	// patientTimeout is longer than clients wait. A server that gives up before
	// them sends them Authorization Violation, as if they had been refused.
	patientTimeout = 3 * time.Second
)

// serverCheck looks at one live server.
type serverCheck struct {
	*finding.List
	path string // of the configuration
	cfg  *config.Config
	keys *issuer.Keyring
	// operator is what was found about operator mode; nil: config mode.
	operator *operatormode.Check
	url      string
	now      func() time.Time

	set     *serverSet
	from    string // the server that named it; empty: the configuration
	largest answerSize
}

func (s *serverCheck) run(ctx context.Context, opts []nats.Option) {
	nc, err := nats.Connect(s.url, append(opts, nats.Name("usher-check"), nats.Timeout(deployment.ConnectTimeout),
		nats.NoReconnect(), nats.IgnoreDiscoveredServers(), // this server, and no other
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	switch {
	case err == nil:
	case s.from != "" && (errors.Is(err, nats.ErrNoServers) || natsconn.TimedOut(err)):
		s.set.lost = append(s.set.lost, address{url: s.url, from: s.from})
		return
	default:
		s.cannotConnect(err)
		return
	}
	defer nc.Close()
	id, name := nc.ConnectedServerId(), nc.ConnectedServerName()
	if s.from != "" && s.set.reached[id] != "" {
		return // another address of a server that was looked at
	}
	s.set.reached[id] = s.url
	from := ""
	if s.from != "" {
		from = ", whose address " + s.from + " names"
	}
	s.OK("connect", s.url, "as service user, to server %s %s%s", name, nc.ConnectedServerVersion(), from)
	checkRelease(s.List, s.url, nc.ConnectedServerVersion())
	_, tlsErr := nc.TLSConnectionState()
	s.learn(opts, name, tlsErr == nil)
	s.payload(nc.MaxPayload())
	if !s.account(ctx, nc) {
		return
	}
	seen := make(chan *nats.Msg, 256)
	if _, err := nc.ChanSubscribe(callout.Subject, seen); err != nil {
		s.Fail(fault.Runtime, "subscribe", s.url, "", "%v", err)
		return
	}
	if err := nc.FlushTimeout(deployment.RequestTimeout); err != nil {
		s.Fail(fault.Runtime, "subscribe", s.url, "", "%v", err)
		return
	}
	if err := nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		s.Fail(fault.Config, "subscribe", s.url, "the service user must be allowed to subscribe to "+callout.Subject+" and $SRV.>, and to publish answers",
			"the server denies the subscription of the service user: %v", err)
		return
	}
	s.services(ctx, nc)
	s.observe(ctx, seen)
}

func (s *serverCheck) cannotConnect(err error) {
	switch {
	case errors.Is(err, nats.ErrAuthorization), natsconn.AuthTimedOut(err):
		// A user that is none of auth_users waits until the server has asked in vain.
		s.Fail(fault.Config, "connect", s.url, s.authUserHint()+"; "+s.secretHint(),
			"the server refuses the service user: %v", err)
	case errors.Is(err, nats.ErrNoServers), natsconn.TimedOut(err):
		s.Fail(fault.Runtime, "connect", s.url, "is nats-server running at this address?", "%v", err)
	default:
		s.Fail(fault.Config, "connect", s.url, s.authUserHint()+"; nats.tls must match the server's certificate; set nats.tls.handshake_first if the server has handshake_first",
			"the server answers, but the connection fails: %v", err)
	}
}

// secretHint names the file that the service user proves itself with.
func (s *serverCheck) secretHint() string {
	switch n := &s.cfg.NATS; {
	case n.NKeyFile != "":
		return "nats.nkey_file must contain its seed"
	case n.CredsFile != "":
		return "nats.creds_file must contain its credentials"
	default:
		return "nats.password_file must contain its password"
	}
}

// account compares where the service user is with where the configuration says.
func (s *serverCheck) account(ctx context.Context, nc *nats.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, deployment.RequestTimeout)
	defer cancel()
	account, err := callout.AccountOf(ctx, nc)
	switch {
	case err != nil:
		s.Fail(fault.Runtime, "account", s.url, "", "%v", err)
		return false
	case account != assembly.ServerAccount(s.cfg, s.keys):
		s.Fail(fault.Config, "account", s.url, s.accountHint(),
			"the service user is in account %q, but accounts.callout is %q", account, s.called(assembly.ServerAccount(s.cfg, s.keys)))
		return false
	}
	s.OK("account", s.url, "the service user is in %s", s.called(account))
	return true
}

// observe lets a client without a valid credential knock, and looks at the
// request that this causes. A running usher denies it; none is harmed by it.
func (s *serverCheck) observe(ctx context.Context, seen <-chan *nats.Msg) {
	first, ok := s.knock(ctx, seen)
	if !ok {
		s.notAsked()
		return
	}
	// Timeouts come in whole seconds, rounded either way: look again before complaining.
	for i := 0; i < 3 && first.Timeout < max(s.cfg.Callout.Budget, patientTimeout) && first.Refusal == ""; i++ {
		again, ok := s.knock(ctx, seen)
		if !ok {
			return
		}
		first.Timeout = max(first.Timeout, again.Timeout)
	}
	s.seal(&first)
	if first.Issuer != "" {
		s.judge(&first)
		s.sighted(&first)
		s.tokenOnly(ctx, seen)
		s.anonymous(ctx, seen)
	}
}
