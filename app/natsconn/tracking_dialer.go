package natsconn

import (
	"net"
	"sync/atomic"
	"time"
)

// TrackingDialer dials for nats.go and records whether the server has sent anything.
type TrackingDialer struct{ Received atomic.Bool }

// dialLimit is the default dial timeout of nats.go.
const dialLimit = 2 * time.Second

// Dial implements nats.CustomDialer.
func (d *TrackingDialer) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, dialLimit) //nolint:noctx // nats.go has none to give
	if err != nil {
		return nil, err
	}
	return &trackingConn{Conn: conn, received: &d.Received}, nil
}

type trackingConn struct {
	net.Conn
	received *atomic.Bool
}

// Read implements net.Conn.
func (c *trackingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.received.Store(true)
	}
	return n, err
}
