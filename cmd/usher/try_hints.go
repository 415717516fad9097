package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"usher/app/natsconn"
	"usher/app/setup"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/internal/secret"
)

// notConnected says why a trial did not come about. sentinel says that it brought one,
// heard that a server has said something.
func notConnected(server string, sentinel, heard bool, err error) error {
	var faulty *url.Error
	if errors.As(err, &faulty) { // it quotes the URL, with the password that may be in it
		if strings.Contains(server, "@") { // and what it wraps can quote a part of that
			return cmdutil.UsageError("without user and password: the token comes from --token-file", "--server is not a URL")
		}
		return cmdutil.UsageError("such as -s nats://"+setup.DefaultListen, "--server is not a URL: %w", faulty.Err)
	}
	e := &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("connect to %s: %w", shownServers(server), err)}
	var dial *net.OpError
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		e.Kind, e.Hint = fault.Denied, "usher's log and audit say why; if they say granted, nats-server's log does"
		if !sentinel {
			e.Hint += "; in operator mode without default_sentinel usher is never asked: --sentinel FILE"
		}
	case errors.Is(err, nats.ErrNoServers), errors.As(err, &dial) && dial.Op == "dial":
		e.Hint = "is nats-server running at this address?"
	case !heard && (natsconn.TimedOut(err) || errors.Is(err, io.EOF)):
		e.Hint = "something listens there and says nothing: is it nats-server? one with handshake_first: true takes --tls-first"
	case natsconn.TimedOut(err), natsconn.AuthTimedOut(err):
		e.Hint = "usher did not answer: is it running? usher check"
	case isTLS(err):
		e.Hint = "--ca FILE names who signed the server's certificate, --cert and --key the client's own; --tls-first if the server wants the handshake first"
	}
	return e
}

// isTLS reports an error of the TLS handshake, or a server that does not want to
// talk without one.
func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var op *net.OpError
	return errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &op) && op.Op == "remote error" ||
		errors.Is(err, nats.ErrSecureConnRequired) || errors.Is(err, nats.ErrSecureConnWanted) || errors.Is(err, io.EOF)
}

// shownServers is a list of URLs without what might be a credential in them.
func shownServers(servers string) string {
	list := strings.Split(servers, ",")
	for i, server := range list {
		server = strings.TrimSpace(server)
		if !strings.Contains(server, "://") {
			server = "nats://" + server
		}
		u, err := url.Parse(server)
		if err != nil || u.Host == "" {
			list[i] = secret.Hidden
			continue
		}
		list[i] = (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
	}
	return secret.Redact(strings.Join(list, ", "))
}

// violation says what the server refused on a connection that it took.
func violation(server string, err error) error {
	hint := "usher explain says what the token may do, and why"
	// nats.go names the subject of a violation in its text only.
	if strings.Contains(err.Error(), `Subscription to "_INBOX`) {
		hint = "give --inbox _INBOX_<user>; usher explain names it"
	}
	return &fault.Error{Kind: fault.Denied, Err: fmt.Errorf("%w (at %s)", err, server), Hint: hint}
}

// failed says what did not come, though nothing was refused.
func failed(server string, err error) error {
	e := &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%w (at %s)", err, server)}
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, jetstream.ErrStreamNotFound):
		e.Hint = "has a service admin made the stream? (docs/how-to/api-keys-and-streams.md)"
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		e.Hint = "has a service admin made the consumer? (docs/how-to/api-keys-and-streams.md)"
	}
	return e
}
