package checkup

import (
	"context"
	"errors"
	"time"

	accounts "usher/callout/account"
	"usher/internal/fault"

	"github.com/nats-io/nats.go"

	"usher/app/assembly"
	"usher/app/checkup/finding"
	"usher/app/checkup/operatormode"
	"usher/app/checkup/sessions"
	"usher/app/config"
	"usher/app/deployment"
	"usher/app/natsconn"
	"usher/callout"
	"usher/issuer"
)

const (
	// minTimeout is longer than clients of nats.go wait. A server that waits less sends
	// them Authorization Violation, which looks like a denial.
	minTimeout = 3 * time.Second
	// natsGoPatience is how long a client of nats.go waits by default.
	natsGoPatience = 2 * time.Second
)

// serverCheck checks one live server.
type serverCheck struct {
	*finding.List
	path string // of the configuration
	cfg  *config.Config
	keys *issuer.Keyring
	// operator has the results of operator mode; nil: config mode.
	operator *operatormode.Checker
	url      string
	now      func() time.Time

	set         *serverSet
	announcedBy string          // the server that announces this one; empty: the configuration
	gateway     *config.Gateway // as in address
	largest     answerSize
}

// run connects as the service user and makes all checks of the server.
func (s *serverCheck) run(ctx context.Context, opts []nats.Option) {
	nc, err := nats.Connect(s.url, append(opts, nats.Name("usher-check"), nats.Timeout(deployment.ConnectTimeout),
		nats.NoReconnect(), nats.IgnoreDiscoveredServers(), // this server only
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	switch {
	case err == nil:
	case s.announcedBy != "" && (errors.Is(err, nats.ErrNoServers) || natsconn.TimedOut(err)):
		s.set.unreachable = append(s.set.unreachable, address{url: s.url, announcedBy: s.announcedBy})
		return
	default:
		s.cannotConnect(err)
		if s.set.view != nil { // it lists the servers by ID
			s.set.refused[deployment.ServerID(ctx, s.url)] = true
		}
		return
	}
	defer nc.Close()
	id, name := nc.ConnectedServerId(), nc.ConnectedServerName()
	if s.announcedBy != "" && s.set.reached[id] != "" {
		return // another address of a server that has been checked
	}
	s.set.reached[id] = s.url
	if s.gateway == nil {
		s.set.clients = append(s.set.clients, sessions.Server{ID: id, Name: name, URL: s.url, TLSName: s.cfg.NATS.TLS.ServerName})
	}
	announced := ""
	if s.announcedBy != "" {
		announced = ", which " + s.announcedBy + " announces"
	}
	s.OK("connect", s.url, "as service user, to server %s %s%s", name, nc.ConnectedServerVersion(), announced)
	checkRelease(s.List, s.url, nc.ConnectedServerVersion())
	_, tlsErr := nc.TLSConnectionState()
	s.discover(opts, name, tlsErr == nil)
	s.payload(nc.MaxPayload())
	if !s.account(ctx, nc) {
		return
	}
	requests := make(chan *nats.Msg, 256)
	if _, err := nc.ChanSubscribe(callout.Subject, requests); err != nil {
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
	s.checkRequests(ctx, requests)
}

// cannotConnect appends why the service user cannot connect.
func (s *serverCheck) cannotConnect(err error) {
	switch {
	case errors.Is(err, nats.ErrAuthorization), natsconn.AuthTimedOut(err):
		// The server asks usher about a user that is not in auth_users, and waits for the
		// answer.
		s.Fail(fault.Config, "connect", s.url, s.authUserHint()+"; "+s.secretHint(),
			"the server refuses the service user: %v", err)
	case errors.Is(err, nats.ErrNoServers), natsconn.TimedOut(err):
		s.Fail(fault.Runtime, "connect", s.url, "is nats-server running at this address?", "%v", err)
	case s.gateway != nil:
		s.Fail(fault.Config, "connect", s.url, s.authUserHint()+"; gateways[].clients must have the name and the CA of its certificate, and cert_file one that it accepts",
			"the server answers, but the connection fails: %v", err)
	case natsconn.TLSHint(err, &s.cfg.NATS.TLS, s.now()) != "":
		s.Fail(fault.Config, "connect", s.url, natsconn.TLSHint(err, &s.cfg.NATS.TLS, s.now()), "the server answers, but the connection fails: %v", err)
	default:
		s.Fail(fault.Config, "connect", s.url, s.authUserHint()+"; nats.tls must match the server's certificate; set nats.tls.handshake_first if the server has handshake_first",
			"the server answers, but the connection fails: %v", err)
	}
}

// secretHint names the file with the credential of the service user.
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

// account checks that the service user is in the account of accounts.callout.
func (s *serverCheck) account(ctx context.Context, nc *nats.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, deployment.RequestTimeout)
	defer cancel()
	account, err := accounts.Of(ctx, nc)
	switch {
	case err != nil:
		s.Fail(fault.Runtime, "account", s.url, "", "%v", err)
		return false
	case account != assembly.ServerAccount(s.cfg, s.keys):
		s.Fail(fault.Config, "account", s.url, s.accountHint(),
			"the service user is in account %q, but accounts.callout is %q", account, s.accountName(assembly.ServerAccount(s.cfg, s.keys)))
		return false
	}
	s.OK("account", s.url, "the service user is in %s", s.accountName(account))
	return true
}

// checkRequests connects as a client without a valid credential, and checks the
// authorization request that the server sends about it. A running usher denies the client.
func (s *serverCheck) checkRequests(ctx context.Context, requests <-chan *nats.Msg) {
	first, ok := s.probe(ctx, requests)
	if !ok {
		s.hintNotAsked()
		return
	}
	// The timeout in a request is in whole seconds, rounded up or down: take the largest of
	// several.
	for i := 0; i < 3 && first.Timeout < s.enoughTimeout() && first.Refusal == ""; i++ {
		again, ok := s.probe(ctx, requests)
		if !ok {
			return
		}
		first.Timeout = max(first.Timeout, again.Timeout)
	}
	s.encryption(&first)
	if first.Issuer != "" {
		s.issuer(&first)
		s.timeout(&first)
		s.clock(&first)
		s.defaultSentinel(&first)
		s.probeWithoutSentinel(ctx, requests)
		s.probeAnonymous(ctx, requests)
	}
}
