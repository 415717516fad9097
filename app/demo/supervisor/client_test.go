package supervisor_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"usher/app/apptest/gatewaytest"
	"usher/app/demo/supervisor"
	"usher/callout/callouttest"
)

// A supervisor publishes its events to the external server, and nothing else; with another
// token it is not let in.
func TestClient(t *testing.T) {
	g := gatewaytest.New(t, nil)
	g.Start(t)
	host, port := g.ExternalAddress()
	address := net.JoinHostPort(host, port)
	c, err := supervisor.Dial(t.Context(), address, g.ExternalTLS(t, "events.example.org"), gatewaytest.IngestToken, "1")
	callouttest.Must(t, err)
	defer c.Close() //nolint:errcheck // it returns none
	for _, subject := range []string{"habitat.event.healthcheck", "habitat.event.service_started"} {
		callouttest.Must(t, c.Publish(subject, []byte("x\r\n\x00")))
	}
	if err := c.Publish("habitat.other", nil); !errors.Is(err, supervisor.ErrRefused) || !strings.Contains(err.Error(), `Permissions Violation for Publish to "habitat.other"`) {
		t.Errorf("another subject: %v", err)
	}
	if err := c.Publish("habitat.event.a b", nil); err == nil || errors.Is(err, supervisor.ErrRefused) {
		t.Errorf("no subject: %v", err)
	}
	callouttest.Must(t, c.Publish("habitat.event.healthcheck", nil))
	if c.Err() != nil {
		t.Errorf("before the end: %v", c.Err())
	}
	callouttest.Must(t, c.Close())
	if err := c.Publish("habitat.event.healthcheck", nil); err == nil {
		t.Error("it published after its end")
	}

	for what, dial := range map[string]func() (*supervisor.Client, error){
		"another token": func() (*supervisor.Client, error) {
			return supervisor.Dial(t.Context(), address, g.ExternalTLS(t, "localhost"), "unknown-key", "1")
		},
		"another name": func() (*supervisor.Client, error) {
			return supervisor.Dial(t.Context(), address, g.ExternalTLS(t, "other.example.org"), gatewaytest.IngestToken, "1")
		},
		"no TLS": func() (*supervisor.Client, error) {
			return supervisor.Dial(t.Context(), address, nil, gatewaytest.IngestToken, "1")
		},
	} {
		_, err := dial()
		if err == nil {
			t.Fatalf("%s: it was let in", what)
		}
		if refused := errors.Is(err, supervisor.ErrRefused); refused != (what == "another token") || errors.Is(err, supervisor.ErrNoTLS) != (what == "no TLS") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// script is a server that sends what the test says and records what it gets.
func script(t *testing.T, talk func(conn net.Conn, in *bufio.Reader)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close() //nolint:errcheck // the end of the test
		talk(conn, bufio.NewReader(conn))
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// Its bytes are those of a supervisor.
func TestBytes(t *testing.T) {
	const want = `CONNECT {"verbose":true,"pedantic":false,"tls_required":false,"auth_token":"secret","name":"hab_client_x","lang":"rust","version":"0.6.1","protocol":1,"echo":false}` +
		"\r\nPING\r\nPONG\r\nPUB habitat.event.healthcheck 2\r\nup\r\n"
	got := make(chan string, 1)
	address := script(t, func(conn net.Conn, in *bufio.Reader) {
		var all strings.Builder
		read := func(lines int) {
			for range lines {
				line, _ := in.ReadString('\n')
				all.WriteString(line)
			}
		}
		write := func(text string) { _, _ = conn.Write([]byte(text)) }
		write("INFO {}\r\n")
		read(1)
		write("+OK\r\n")
		read(1)
		write("PING\r\n")
		read(1)
		write("PONG\r\nINFO {}\r\n") // nats-server answers the first PING with INFO, too
		read(2)
		write("+OK\r\n")
		got <- all.String()
		read(1)
	})
	c, err := supervisor.Dial(t.Context(), address, nil, "secret", "x")
	callouttest.Must(t, err)
	callouttest.Must(t, c.Publish("habitat.event.healthcheck", []byte("up")))
	callouttest.Must(t, c.Close())
	if text := <-got; text != want {
		t.Errorf("sent\n%q\nwant\n%q", text, want)
	}
}

// Servers that say something else, or end, are errors, and leave nothing behind.
func TestOtherServers(t *testing.T) {
	greeting := "INFO {}\r\n+OK\r\nPONG\r\n"
	for text, publishes := range map[string]bool{
		"": false, "HTTP/1.1 400 Bad Request\r\n": false, "INFO x\r\n": false, "INFO {}\r\n": false, "INFO {}\r\nPONG\r\n": false,
		"INFO {}\r\n-ERR 'Authorization Violation'\r\n": false, "INFO {}\r\n+OK\r\n+OK\r\n": false,
		"INFO {\"tls_required\":true}\r\n": false,
		greeting:                           false,
		greeting + "-ERR 'User Authentication Expired'\r\n": false,
		greeting + "+OK\r\n": true,
		greeting + "-ERR 'Permissions Violation for Publish to \"x\"'\r\n": false,
		greeting + "+OK\r\n+OK\r\n+OK\r\n":                                 false,
	} {
		address := script(t, func(conn net.Conn, in *bufio.Reader) {
			rest, greeted := strings.CutPrefix(text, greeting)
			if greeted {
				_, _ = io.WriteString(conn, greeting)
				for line := ""; rest != "" && !strings.HasPrefix(line, "PUB "); { // what follows answers a publish
					var err error
					if line, err = in.ReadString('\n'); err != nil {
						return
					}
				}
			}
			_, _ = io.WriteString(conn, rest)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = in.WriteTo(io.Discard) // a reset would take away what was sent
		})
		c, err := supervisor.Dial(t.Context(), address, nil, "secret", "x")
		if err == nil {
			err = c.Publish("x", nil)
			<-c.Done()
			if c.Err() == nil {
				t.Errorf("%q: no cause", text)
			}
			callouttest.Must(t, c.Close())
		}
		if publishes && err != nil || err == nil && !strings.Contains(text, "PONG\r\n+OK") {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the token is in %v", err)
		}
	}
}

// A connection attempt ends with its context.
func TestDialEnds(t *testing.T) {
	address := script(t, func(_ net.Conn, in *bufio.Reader) { _, _ = in.ReadString('\n') })
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("enough"))
	defer cancel()
	if _, err := supervisor.Dial(ctx, address, nil, "secret", "x"); err == nil || err.Error() != "enough" {
		t.Error(err)
	}
}
