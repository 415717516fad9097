package client

import (
	"context"
	"net"
	"sync"
	"time"
)

// dial connects. In HTTP the client has the first word. What a server says before it, such
// as the greeting of a nats-server, is read after the request is sent: as its answer, which
// is malformed, and not as something that net/http writes to the log.
func dial(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: timeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &firstWord{Conn: c, said: make(chan struct{})}, nil
	}
}

// firstWord is a connection that reads nothing until something was written.
type firstWord struct {
	net.Conn

	once sync.Once
	said chan struct{} // closed by Write and Close
}

func (c *firstWord) Read(b []byte) (int, error) {
	<-c.said
	return c.Conn.Read(b)
}

func (c *firstWord) Write(b []byte) (int, error) {
	c.once.Do(func() { close(c.said) })
	return c.Conn.Write(b)
}

func (c *firstWord) Close() error {
	c.once.Do(func() { close(c.said) })
	return c.Conn.Close()
}
