package main

import (
	"crypto/tls"
	"crypto/x509"
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

// notConnected gives a failed connect an exit code and a hint. heard: the server sent
// something.
func notConnected(to *tryTarget, heard bool, err error) error {
	var faulty *url.Error
	if errors.As(err, &faulty) { // its text quotes the URL, which can contain a password
		if strings.Contains(to.server, "@") { // the wrapped error can quote a part of it
			return cmdutil.UsageError("leave out user and password: give the token with --token-file", "%s is not a URL", to.from)
		}
		return cmdutil.UsageError("such as -s nats://"+setup.DefaultListen, "%s is not a URL: %w", to.from, faulty.Err)
	}
	e := &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("connect to %s: %w", shownServers(to.server), err)}
	var dial *net.OpError
	var name x509.HostnameError
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		e.Kind, e.Hint = fault.Denied, "usher's log and audit give the cause; if they show granted, see nats-server's log"
		if !to.sentinel {
			e.Hint += "; in operator mode without default_sentinel, add --sentinel FILE"
		}
		if to.cert {
			e.Hint += "; if they have nothing, the server decides by its own list of users (verify_and_map), and none has a name of the certificate"
		}
	case errors.Is(err, nats.ErrNoServers), errors.As(err, &dial) && dial.Op == "dial":
		e.Hint = "check that nats-server is running at this address"
	case !heard && (natsconn.TimedOut(err) || errors.Is(err, io.EOF)):
		e.Hint = "the server sent nothing: check that it is nats-server; for handshake_first: true add --tls-first"
	case natsconn.TimedOut(err), natsconn.AuthTimedOut(err):
		e.Hint = "usher did not reply: usher check shows whether it runs; if it does, its audit gives the cause"
	case errors.As(err, &name):
		e.Hint = "use one of these names in the URL, or give it with --server-name NAME"
	case isTLS(err):
		e.Hint = "name the server's certificate authority with --ca FILE, the client certificate with --cert and --key; for handshake_first: true add --tls-first"
	}
	return e
}

// isTLS reports a failed TLS handshake, or a server that requires TLS or has none.
func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var op *net.OpError
	return errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &op) && op.Op == "remote error" ||
		errors.Is(err, nats.ErrSecureConnRequired) || errors.Is(err, nats.ErrSecureConnWanted) || errors.Is(err, io.EOF)
}

// shownServers returns a list of URLs without possible credentials.
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

// violation gives a permission violation an exit code and a hint. inbox is the value of
// --inbox.
func violation(server, inbox string, err error) error {
	hint := "usher explain shows what the token may do, and why"
	// nats.go has the subject of a violation only in the error text.
	switch {
	case inbox != defaultInbox && strings.Contains(err.Error(), `Subscription to "`+inbox+"."):
		hint = "--inbox must be _INBOX_<user>; usher explain shows it"
	case strings.Contains(err.Error(), `Subscription to "_INBOX`):
		hint = "add --inbox _INBOX_<user>; usher explain shows it"
	}
	return &fault.Error{Kind: fault.Denied, Err: fmt.Errorf("%w (at %s)", err, server), Hint: hint}
}

// failed gives an error without a permission violation a hint.
func failed(server string, err error) error {
	e := &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("%w (at %s)", err, server)}
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, jetstream.ErrStreamNotFound):
		e.Hint = "usher makes the stream of a project with projects.streams: managed, and usher check says what is in its way; otherwise a service admin makes it (docs/how-to/streams.md)"
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		e.Hint = "the consumer has the name of a subscription; usher makes it with projects.streams: managed, otherwise a service admin does (docs/how-to/streams.md)"
	}
	return e
}
