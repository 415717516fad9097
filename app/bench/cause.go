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

// The causes. Each failed attempt has one.
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

// about says of each cause what it is called, and what it means.
func (c Cause) about() (name, meaning string) {
	table := [causes][2]string{
		Timeout:       {"timeout", "no answer in time: the server, or who it asks, is silent"},
		Authorization: {"authorization", "the server said no, or got no answer in its own time"},
		Refused:       {"refused", "nobody listens there"},
		Reset:         {"reset", "the server ended the connection without a word"},
		TLS:           {"tls", "no agreement on TLS, such as an unknown authority"},
		Protocol:      {"protocol", "another protocol is spoken there: tcp or websocket, with TLS or without"},
		ServerLimit:   {"server_limit", "the server or the account takes no more connections"},
		LocalLimit:    {"local_limit", "this machine has no file, port or memory left"},
		MaxInFlight:   {"max_in_flight", "not begun: too many were under way"},
		Other:         {"other", "anything else"},
	}
	return table[c][0], table[c][1]
}

// String returns the cause's name, such as "server_limit".
func (c Cause) String() string {
	name, _ := c.about()
	return name
}

// Meaning says in a few words what happened.
func (c Cause) Meaning() string {
	_, meaning := c.about()
	return meaning
}

// Causes returns all of them.
func Causes() []Cause {
	all := make([]Cause, causes)
	for i := range all {
		all[i] = Cause(i)
	}
	return all
}

// What Windows says for ECONNREFUSED and ECONNABORTED; elsewhere no error has
// these numbers.
const (
	errRefusedWindows = syscall.Errno(10061)
	errAbortedWindows = syscall.Errno(10053)
	errResetWindows   = syscall.Errno(10054)
)

// causeOf judges an error of a dial, of a connection, or of nats.go.
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

// refusal returns the cause in what a server sent, if it says one: -ERR 'text'.
// nats.go tells it apart by the same texts.
func refusal(sent []byte) (failure, bool) {
	_, after, ok := bytes.Cut(sent, []byte(errorStart))
	if !ok {
		return failure{}, false
	}
	after, _, _ = bytes.Cut(after[:min(len(after), 64)], []byte("'"))
	return failure{refusalCause(strings.ToLower(string(after))), fmt.Errorf("the server says %q", after)}, true
}

const errorStart = "-ERR '"

func refusalCause(text string) Cause {
	says := func(texts ...string) bool {
		for _, t := range texts {
			if strings.HasPrefix(text, t) {
				return true
			}
		}
		return false
	}
	switch {
	case says("authentication timeout"): // nats.go has no name for it
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
