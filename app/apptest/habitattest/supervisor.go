package habitattest

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"usher/callout/callouttest"
)

// Events are the kinds of event that a Habitat supervisor publishes, each to
// habitat.event.KIND.
func Events() []string {
	return []string{"service_started", "service_stopped", "service_update_started", "healthcheck"}
}

// Supervisor speaks the NATS protocol as a Habitat supervisor does, without a client
// library.
type Supervisor struct {
	tb   testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// supervisorPatience is how long a Supervisor lives at most.
const supervisorPatience = time.Minute

// Dial connects, reads INFO, and upgrades to TLS if INFO requires it. config is
// nil for a server without TLS.
func Dial(tb testing.TB, addr string, config *tls.Config) *Supervisor {
	tb.Helper()
	conn, err := new(net.Dialer).DialContext(tb.Context(), "tcp", addr)
	callouttest.Must(tb, err)
	tb.Cleanup(func() { conn.Close() }) //nolint:errcheck // at the end of the test
	callouttest.Must(tb, conn.SetDeadline(time.Now().Add(supervisorPatience)))
	s := &Supervisor{tb, conn, bufio.NewReader(conn)}
	text, ok := strings.CutPrefix(s.Line(), "INFO ")
	if !ok {
		tb.Fatalf("the first line of the server is not INFO")
	}
	var info struct {
		TLSRequired bool `json:"tls_required"`
	}
	callouttest.Must(tb, json.Unmarshal([]byte(text), &info))
	if info.TLSRequired != (config != nil) {
		tb.Fatalf("tls_required is %v", info.TLSRequired)
	}
	if config != nil {
		upgraded := tls.Client(conn, config)
		callouttest.Must(tb, upgraded.HandshakeContext(tb.Context()))
		s.conn, s.in = upgraded, bufio.NewReader(upgraded)
	}
	return s
}

// TLS returns what is known about the connection, which is one with TLS.
func (s *Supervisor) TLS() tls.ConnectionState {
	return s.conn.(*tls.Conn).ConnectionState() //nolint:forcetypeassert // as documented
}

// Send sends a text as it is.
func (s *Supervisor) Send(text string) {
	s.tb.Helper()
	_, err := s.conn.Write([]byte(text))
	callouttest.Must(s.tb, err)
}

// Line returns the next line, and answers PINGs. The server sends its first PING after
// 2 s, which the test can take on a slow machine.
func (s *Supervisor) Line() string {
	s.tb.Helper()
	for {
		line, err := s.in.ReadString('\n')
		callouttest.Must(s.tb, err)
		if line = strings.TrimRight(line, "\r\n"); line != "PING" {
			return line
		}
		s.Send("PONG\r\n")
	}
}

// Expect checks the next line.
func (s *Supervisor) Expect(want string) {
	s.tb.Helper()
	if got := s.Line(); got != want {
		s.tb.Fatalf("next line %q, want %q", got, want)
	}
}

// Connect sends the CONNECT of a supervisor.
func (s *Supervisor) Connect(token string) {
	s.tb.Helper()
	s.Send(`CONNECT {"verbose":true,"pedantic":false,"tls_required":false,"auth_token":"` + token +
		`","name":"hab_client_x","lang":"rust","version":"0.6.1","protocol":1,"echo":false}` + "\r\n")
}

// Handshake connects with a token that is let in: CONNECT, +OK as the next line, PING,
// PONG.
func (s *Supervisor) Handshake(token string) {
	s.tb.Helper()
	s.Connect(token)
	s.Expect("+OK")
	s.Send("PING\r\n")
	s.Expect("PONG")
	// nats-server also answers the first PING of a client with INFO.
	if line := s.Line(); !strings.HasPrefix(line, "INFO ") {
		s.tb.Fatalf("after the first PONG: %q", line)
	}
}

// Publish publishes a message and does not wait for its +OK.
func (s *Supervisor) Publish(subject, payload string) {
	s.tb.Helper()
	s.Send(fmt.Sprintf("PUB %s %d\r\n%s\r\n", subject, len(payload), payload))
}

// Answer returns what the server sends up to the PONG of a PING: +OK, for a verbose
// connection, and errors.
func (s *Supervisor) Answer() []string {
	s.tb.Helper()
	s.Send("PING\r\n")
	var lines []string
	for {
		line := s.Line()
		if line == "PONG" {
			return lines
		}
		lines = append(lines, line)
	}
}

// Refused checks that the answer contains an error that starts with text.
func (s *Supervisor) Refused(text string) {
	s.tb.Helper()
	lines := s.Answer()
	for _, line := range lines {
		if strings.HasPrefix(line, "-ERR '"+text) {
			return
		}
	}
	s.tb.Errorf("%q, want %q", lines, text)
}
