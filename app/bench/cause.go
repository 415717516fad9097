package bench

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"
)

// Cause is why an attempt to connect failed.
type Cause int

// The causes. Each failed attempt has exactly one.
const (
	Timeout Cause = iota
	Authorization
	Refused
	Reset
	TLS
	Protocol
	ServerLimit
	LocalLimit
	MaxInFlight
	Other
	causes int = iota
)

// describe returns the name of the cause and its meaning.
func (c Cause) describe() (name, meaning string) {
	table := [causes][2]string{
		Timeout:       {"timeout", "no answer in time from the server, or from its auth callout"},
		Authorization: {"authorization", "the server refused the client, or got no answer from its auth callout in time"},
		Refused:       {"refused", "nothing listens at the address"},
		Reset:         {"reset", "the server closed the connection without an error message"},
		TLS:           {"tls", "the TLS handshake failed, for example because of an unknown CA"},
		Protocol:      {"protocol", "the server speaks another protocol: TCP or WebSocket, with or without TLS"},
		ServerLimit:   {"server_limit", "the connection limit of the server or of the account is reached"},
		LocalLimit:    {"local_limit", "this machine is out of file descriptors, ports or memory"},
		MaxInFlight:   {"max_in_flight", "not started: too many connects were in flight"},
		Other:         {"other", "any other cause"},
	}
	return table[c][0], table[c][1]
}

// String returns the cause's name, such as "server_limit".
func (c Cause) String() string {
	name, _ := c.describe()
	return name
}

// Meaning returns a short description of the cause.
func (c Cause) Meaning() string {
	_, meaning := c.describe()
	return meaning
}

// Causes returns all causes.
func Causes() []Cause {
	all := make([]Cause, causes)
	for i := range all {
		all[i] = Cause(i)
	}
	return all
}

// The Windows error numbers of ECONNREFUSED, ECONNABORTED and ECONNRESET. No other system
// has errors with these numbers.
const (
	errRefusedWindows = syscall.Errno(10061)
	errAbortedWindows = syscall.Errno(10053)
	errResetWindows   = syscall.Errno(10054)
)

// causeOf returns the cause of an error of a dial, a connection or nats.go.
func causeOf(err error) Cause {
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var authority x509.UnknownAuthorityError
	switch {
	case is(nats.ErrTimeout), errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	case is(nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired):
		return Authorization
	case is(nats.ErrNoServers, syscall.ECONNREFUSED, errRefusedWindows):
		return Refused
	case is(io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, errAbortedWindows, errResetWindows):
		return Reset
	case is(syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM):
		return LocalLimit
	case is(nats.ErrSecureConnWanted, nats.ErrNoInfoReceived):
		return Protocol
	case is(nats.ErrTLS), errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert), errors.As(err, &authority):
		return TLS
	default:
		return Other
	}
}

// parseError returns the failure in what a server sent, if it contains an -ERR 'text'.
// nats.go distinguishes the errors by the same texts.
func parseError(sent []byte) (failure, bool) {
	_, after, ok := bytes.Cut(sent, []byte(errorStart))
	if !ok {
		return failure{}, false
	}
	after, _, _ = bytes.Cut(after[:min(len(after), 64)], []byte("'"))
	return failure{causeOfError(strings.ToLower(string(after))), fmt.Errorf("the server sent %q", after)}, true
}

const errorStart = "-ERR '"

func causeOfError(text string) Cause {
	says := func(texts ...string) bool {
		for _, t := range texts {
			if strings.HasPrefix(text, t) {
				return true
			}
		}
		return false
	}
	switch {
	case says("authentication timeout"): // nats.go has no constant for it
		return Timeout
	case says(nats.AUTHORIZATION_ERR, nats.AUTHENTICATION_EXPIRED_ERR, nats.AUTHENTICATION_REVOKED_ERR, nats.ACCOUNT_AUTHENTICATION_EXPIRED_ERR):
		return Authorization
	case says(nats.MAX_CONNECTIONS_ERR, nats.MAX_ACCOUNT_CONNECTIONS_ERR):
		return ServerLimit
	case says("attempted to connect to "): // the port of a route, a leaf node or a gateway
		return Protocol
	default:
		return Other
	}
}
