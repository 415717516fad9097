package natsconn

import (
	"net"
	"sync/atomic"
	"time"
)

// TrackingDialer dials for nats.go, and knows whether a server has said anything.
type TrackingDialer struct{ Heard atomic.Bool }

// dialLimit is how long nats.go dials by default.
const dialLimit = 2 * time.Second

// Dial implements nats.CustomDialer.
func (d *TrackingDialer) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, dialLimit) //nolint:noctx // nats.go has none to give
	if err != nil {
		return nil, err
	}
	return &heardConn{Conn: conn, heard: &d.Heard}, nil
}

type heardConn struct {
	net.Conn
	heard *atomic.Bool
}

// Read implements net.Conn.
func (c *heardConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(true)
	}
	return n, err
}
