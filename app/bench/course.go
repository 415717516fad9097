package bench

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// course is what all clients of one run share.
type course struct {
	target Target
	now    func() time.Time
	secure bool // clients want TLS: nats.go does with all servers if one URL says so
	turns  atomic.Uint32
	over   func() bool // what happens now is not measured any more
	dial   func(network, address string) (net.Conn, error)
	watch  func(end func()) (release func() bool) // calls end when the run ends
}

func newCourse(ctx context.Context, t Target, now func() time.Time) *course {
	c := &course{target: t, now: now, secure: t.secure()}
	c.over = func() bool { return ctx.Err() != nil }
	c.watch = func(end func()) func() bool { return context.AfterFunc(ctx, end) }
	c.dial = func(network, address string) (net.Conn, error) { return c.reach(ctx, network, address) }
	return c
}

// reach dials as nats.go does by default: the addresses of the host one after
// the other, which share the time, and another one first each time. It reaches
// none that the target forbids, whatever a name has come to mean since the
// target was looked at.
func (c *course) reach(ctx context.Context, network, address string) (conn net.Conn, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := c.target.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: wait / time.Duration(len(addrs))}
	first := int(c.turns.Add(1))
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

// addresses returns where a host is; it is one address at least.
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

// allow says whether an address may be connected to.
func (t Target) allow(a netip.Addr) error {
	if t.AllowRemote || a.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrRemote, a)
}
