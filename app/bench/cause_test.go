package bench_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/bench"
)

// TestCauseOf: errors as the system and nats.go return them.
func TestCauseOf(t *testing.T) {
	t.Parallel()
	dial := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)}
	}
	for _, c := range []struct {
		err  error
		want bench.Cause
	}{
		{nats.ErrTimeout, bench.Timeout},
		{context.DeadlineExceeded, bench.Timeout},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, bench.Timeout},
		{dial(syscall.ETIMEDOUT), bench.Timeout},
		{fmt.Errorf("%w: %w", nats.ErrTLS, os.ErrDeadlineExceeded), bench.Timeout},
		{nats.ErrAuthorization, bench.Authorization},
		{nats.ErrAuthExpired, bench.Authorization},
		{nats.ErrNoServers, bench.Refused},
		{dial(syscall.ECONNREFUSED), bench.Refused},
		{io.EOF, bench.Reset},
		{dial(syscall.ECONNRESET), bench.Reset},
		{dial(syscall.EPIPE), bench.Reset},
		{fmt.Errorf("%w: %w", nats.ErrTLS, io.EOF), bench.Reset},
		{nats.ErrTLS, bench.TLS},
		{dial(syscall.EMFILE), bench.LocalLimit},
		{dial(syscall.EADDRNOTAVAIL), bench.LocalLimit},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, bench.Other},
		{errors.New("invalid websocket connection"), bench.Other},
	} {
		if got := bench.CauseOf(c.err); got != c.want {
			t.Errorf("%v: %s, not %s", c.err, got, c.want)
		}
	}
}

// TestParseError: errors that nats-server sends before it closes a connection.
func TestParseError(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"-ERR 'Authorization Violation'\r\n":                     "authorization",
		"-ERR 'User Authentication Expired'\r\n":                 "authorization",
		"-ERR 'User Authentication Revoked'\r\n":                 "authorization",
		"-ERR 'Account Authentication Expired'\r\n":              "authorization",
		"-ERR 'Authentication Timeout'\r\n":                      "timeout",
		"INFO {}\r\n-ERR 'maximum connections exceeded'\r\n":     "server_limit",
		"-ERR 'maximum account active connections exceeded'\r\n": "server_limit",
		"\x81\x20-ERR 'Authorization Violation'\r\n":             "authorization",
		"-ERR 'Attempted To Connect To Route Port'\r\n":          "protocol",
		"-ERR 'Unknown Protocol Operation'\r\n":                  "other",
		"-ERR '":                                                 "other",
		"INFO {\"server_id\":\"X\"}\r\n":                         "",
		"PONG\r\n":                                               "",
		"":                                                       "",
	} {
		cause, ok := bench.ParseError(sent)
		if got := cause.String(); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %s, %t, not %q", sent, got, ok, want)
		}
	}
}

// TestCauses: every cause has a unique name and a meaning.
func TestCauses(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, c := range bench.Causes() {
		names[c.String()] = true
		if c.Meaning() == "" {
			t.Errorf("%s has no meaning", c)
		}
	}
	if len(names) != len(bench.Causes()) || names[""] || !names["other"] {
		t.Errorf("%v", names)
	}
}
