package callout_test

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

// supervisor speaks the NATS protocol as a Habitat supervisor does, without a client
// library.
type supervisor struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// dialSupervisor connects, reads INFO, and upgrades to TLS if INFO requires it.
func dialSupervisor(t *testing.T, addr string, ca *callouttest.CA) *supervisor {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	callouttest.Must(t, err)
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // at the end of the test
	callouttest.Must(t, conn.SetDeadline(time.Now().Add(4*testTimeout)))
	s := &supervisor{t, conn, bufio.NewReader(conn)}
	text, ok := strings.CutPrefix(s.line(), "INFO ")
	if !ok {
		t.Fatalf("the first line of the server is not INFO")
	}
	var info struct {
		TLSRequired bool `json:"tls_required"`
	}
	callouttest.Must(t, json.Unmarshal([]byte(text), &info))
	if info.TLSRequired != (ca != nil) {
		t.Fatalf("tls_required is %v", info.TLSRequired)
	}
	if ca != nil {
		upgraded := tls.Client(conn, ca.ClientTLS())
		callouttest.Must(t, upgraded.HandshakeContext(t.Context()))
		s.conn, s.in = upgraded, bufio.NewReader(upgraded)
	}
	return s
}

func (s *supervisor) send(text string) {
	s.t.Helper()
	_, err := s.conn.Write([]byte(text))
	callouttest.Must(s.t, err)
}

// line returns the next line, and answers PINGs. The server sends its first PING after
// 2 s, which the test can take on a slow machine.
func (s *supervisor) line() string {
	s.t.Helper()
	for {
		line, err := s.in.ReadString('\n')
		callouttest.Must(s.t, err)
		if line = strings.TrimRight(line, "\r\n"); line != "PING" {
			return line
		}
		s.send("PONG\r\n")
	}
}

func (s *supervisor) expect(want string) {
	s.t.Helper()
	if got := s.line(); got != want {
		s.t.Fatalf("next line %q, want %q", got, want)
	}
}

func (s *supervisor) handshake(token string) {
	s.t.Helper()
	s.send(`CONNECT {"verbose":true,"pedantic":false,"tls_required":false,"auth_token":"` + token +
		`","name":"hab_client_x","lang":"rust","version":"0.6.1","protocol":1,"echo":false}` + "\r\n")
}

func (s *supervisor) publish(subject, payload string) {
	s.t.Helper()
	s.send(fmt.Sprintf("PUB %s %d\r\n%s\r\n", subject, len(payload), payload))
}

func TestHabitatSupervisor(t *testing.T) {
	plainAndSealed(t, func(s testEnv) { habitat(s.t, s, nil) })
	t.Run("TLS", func(t *testing.T) {
		keys, ca := callouttest.NewKeys(t), callouttest.NewCA(t)
		srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, TLS: ca})
		service := callouttest.StartService(t, callouttest.ServiceConfig{
			URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys), TLS: ca,
			Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		})
		habitat(t, testEnv{t, srv, service, keys}, ca)
	})
}

func habitat(t *testing.T, s testEnv, ca *callouttest.CA) {
	t.Helper()
	admin := s.server.Connect(t, callouttest.AdminUser)
	events, err := admin.SubscribeSync("habitat.event.>")
	callouttest.Must(t, err)
	callouttest.Must(t, admin.Flush())

	hab := dialSupervisor(t, s.server.Addr(), ca)
	hab.handshake("ingest-key")
	hab.expect("+OK")
	hab.send("PING\r\n")
	hab.expect("PONG")
	// nats-server also answers the first PING of a client with INFO.
	if line := hab.line(); !strings.HasPrefix(line, "INFO ") {
		t.Fatalf("after the first PONG: %q", line)
	}
	for _, kind := range []string{"service_started", "service_stopped", "service_update_started", "healthcheck"} {
		hab.publish("habitat.event."+kind, kind)
		hab.expect("+OK")
		m, err := events.NextMsg(testTimeout)
		callouttest.Must(t, err)
		if m.Subject != "habitat.event."+kind || string(m.Data) != kind {
			t.Errorf("%s: received %s %q", kind, m.Subject, m.Data)
		}
	}
	for _, subject := range []string{"habitat.event", "habitat.other", "shop.orders", "$SYS.REQ.USER.AUTH"} {
		hab.publish(subject, "x")
		hab.refused(fmt.Sprintf("Permissions Violation for Publish to %q", subject))
	}
	for i, subject := range []string{">", "habitat.event.>", "_INBOX_publisher.>"} {
		hab.send(fmt.Sprintf("SUB %s %d\r\n", subject, i+1))
		hab.refused(fmt.Sprintf("Permissions Violation for Subscription to %q", subject))
	}

	for _, token := range []string{"unknown-key", "", "usher_mistyped"} {
		bad := dialSupervisor(t, s.server.Addr(), ca)
		bad.handshake(token)
		bad.expect("-ERR 'Authorization Violation'")
	}
}

// refused checks that the next lines contain an error that starts with text. A verbose
// connection also gets +OK.
func (s *supervisor) refused(text string) {
	s.t.Helper()
	s.send("PING\r\n")
	var lines []string
	for {
		line := s.line()
		if line == "PONG" {
			break
		}
		lines = append(lines, line)
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "-ERR '"+text) {
			return
		}
	}
	s.t.Errorf("%q, want %q", lines, text)
}
