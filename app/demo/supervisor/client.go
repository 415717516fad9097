package supervisor

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Within is how long a supervisor waits for each of the connection, INFO, +OK and PONG.
const Within = 10 * time.Second

// Retry is the time after which a supervisor connects again.
const Retry = 5 * time.Second

// ErrRefused: the server does not allow it. The text of the server follows.
var ErrRefused = errors.New("refused by the server")

// ErrNoTLS: one side wants TLS, and the other does not.
var ErrNoTLS = errors.New("TLS")

// Client is a connection of a supervisor. Its methods are safe for concurrent use.
type Client struct {
	conn    net.Conn
	answers chan string // one for each PUB
	ended   chan struct{}

	publishing sync.Mutex // so that answers are in the order of requests
	writing    sync.Mutex
	mu         sync.Mutex
	cause      error // why it ended
}

// connect is the CONNECT of a supervisor, in its order.
type connect struct {
	Verbose     bool   `json:"verbose"`
	Pedantic    bool   `json:"pedantic"`
	TLSRequired bool   `json:"tls_required"`
	Token       string `json:"auth_token"`
	Name        string `json:"name"`
	Lang        string `json:"lang"`
	Version     string `json:"version"`
	Protocol    int    `json:"protocol"`
	Echo        bool   `json:"echo"`
}

// Dial connects the supervisor with a member ID to addr, HOST:PORT, with a token. It
// upgrades to TLS with config, or fails with ErrNoTLS if the server does not ask for it;
// with nil the connection has no TLS.
func Dial(ctx context.Context, addr string, config *tls.Config, token, member string) (*Client, error) {
	d := net.Dialer{Timeout: Within}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends each read
	c, err := handshake(ctx, conn, config, token, member)
	if !stop() && err == nil {
		_ = c.Close()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// handshake does what comes before the first event. It closes nothing.
func handshake(ctx context.Context, conn net.Conn, config *tls.Config, token, member string) (*Client, error) {
	in := bufio.NewReader(conn)
	line, err := next(conn, in)
	if err != nil {
		return nil, fmt.Errorf("read INFO: %w", err)
	}
	text, ok := strings.CutPrefix(line, "INFO ")
	if !ok {
		return nil, errors.New("the server does not speak NATS: its first line is not INFO")
	}
	var info struct {
		TLSRequired bool `json:"tls_required"`
	}
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		return nil, fmt.Errorf("read INFO: %w", err)
	}
	switch {
	case info.TLSRequired && config == nil:
		return nil, fmt.Errorf("%w: the server requires it", ErrNoTLS)
	case !info.TLSRequired && config != nil:
		return nil, fmt.Errorf("%w: the server does not offer it, and the token would be sent in clear", ErrNoTLS)
	case info.TLSRequired:
		upgraded := tls.Client(conn, config)
		_ = conn.SetDeadline(time.Now().Add(Within)) // an error is that of the handshake
		if err := upgraded.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		conn, in = upgraded, bufio.NewReader(upgraded)
	}
	c := &Client{conn: conn, answers: make(chan string, 1), ended: make(chan struct{})}
	if err := c.greet(in, token, member); err != nil {
		return nil, err
	}
	go c.read(in)
	return c, nil
}

// greet sends CONNECT and PING.
func (c *Client) greet(in *bufio.Reader, token, member string) error {
	hello, err := json.Marshal(connect{Verbose: true, Token: token, Name: "hab_client_" + member, Lang: "rust", Version: "0.6.1", Protocol: 1}) //nolint:gosec // the server needs the token
	if err != nil {
		return err
	}
	for _, step := range []struct{ send, want string }{{"CONNECT " + string(hello), "+OK"}, {"PING", "PONG"}} {
		if err := c.send(step.send + "\r\n"); err != nil {
			return err
		}
		for {
			line, err := next(c.conn, in)
			if err != nil {
				return fmt.Errorf("wait for %s: %w", step.want, err)
			}
			if line == step.want {
				break
			}
			if line == "PING" { // the server sends its first one 2 s after the connection
				if err := c.send("PONG\r\n"); err != nil {
					return err
				}
			} else if refusal, ok := refusal(line); ok {
				return fmt.Errorf("%w: %s", ErrRefused, refusal)
			} else {
				return fmt.Errorf("wait for %s: the server sent something else", step.want)
			}
		}
	}
	return c.conn.SetDeadline(time.Time{})
}

// next reads a line within the time that a supervisor gives it.
func next(conn net.Conn, in *bufio.Reader) (string, error) {
	if err := conn.SetDeadline(time.Now().Add(Within)); err != nil {
		return "", err
	}
	line, err := in.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// refusal returns the text of an error line.
func refusal(line string) (text string, ok bool) {
	text, ok = strings.CutPrefix(line, "-ERR ")
	return strings.Trim(text, "'"), ok
}
