package bench

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// run is the state that all clients of one run share.
type run struct {
	target Target
	now    func() time.Time
	secure bool // clients use TLS; with nats.go one URL with TLS means TLS for all servers
	dials  atomic.Uint32
	ended  func() bool // reports whether the measurement has ended
	dial   func(network, address string) (net.Conn, error)
	onEnd  func(end func()) (release func() bool) // calls end when the run ends, until release is called
}

func newRun(ctx context.Context, t Target, now func() time.Time) *run {
	c := &run{target: t, now: now, secure: t.secure()}
	c.ended = func() bool { return ctx.Err() != nil }
	c.onEnd = func(end func()) func() bool { return context.AfterFunc(ctx, end) }
	c.dial = func(network, address string) (net.Conn, error) { return c.dialHost(ctx, network, address) }
	return c
}

// dialHost dials as nats.go does by default: it tries the addresses of the host one after
// the other, which share the timeout, and starts with a different one each time. It never
// dials an address that the target does not allow, even if the host name has changed its
// addresses since the target was validated.
func (c *run) dialHost(ctx context.Context, network, address string) (conn net.Conn, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := c.target.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: attemptTimeout / time.Duration(len(addrs))}
	first := int(c.dials.Add(1))
	for i := range addrs {
		a := addrs[(first+i)%len(addrs)]
		if err = c.target.allow(a); err != nil {
			return nil, err
		}
		if conn, err = dialer.DialContext(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// addresses returns the addresses of a host, at least one.
func (t Target) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := t.Lookup(ctx, host)
	if err == nil && len(addrs) == 0 {
		err = fmt.Errorf("%s has no address", host)
	}
	return addrs, err
}

// allow returns ErrRemote if clients must not connect to an address.
func (t Target) allow(a netip.Addr) error {
	if t.AllowRemote || a.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrRemote, a)
}
