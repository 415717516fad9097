package outbound

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// dial connects to one of the addresses of a host, in the order in which the resolver returns
// them. Each is checked by the dialer itself, so nothing that comes after can change it.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, ErrURL
	}
	ctx, cancel := context.WithTimeout(ctx, c.rules.DialTimeout)
	defer cancel()
	ips, err := c.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{ControlContext: c.control, KeepAlive: keepAlive}
	failed := ErrAddress
	for i, ip := range ips {
		conn, err := dialOne(ctx, dialer, network, net.JoinHostPort(ip.String(), port), len(ips)-i)
		if err == nil {
			return conn, nil
		}
		if errors.Is(failed, ErrAddress) { // what happened at an allowed address says more
			failed = err
		}
	}
	return nil, failed
}

const (
	keepAlive = 15 * time.Second
	maxDialed = 8 // addresses of one name
)

func (c *Client) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ips, err := c.rules.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	return ips[:min(len(ips), maxDialed)], nil
}

// dialOne connects to one of n addresses that are left, with a share of the time that is left.
func dialOne(ctx context.Context, dialer *net.Dialer, network, address string, n int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(n)) //nolint:forbidigo // what is left of a deadline of this clock
		defer cancel()
	}
	return dialer.DialContext(ctx, network, address)
}

// control checks the address of a socket before it connects.
func (c *Client) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !c.addresses.allow(at.Addr()) {
		return ErrAddress
	}
	return nil
}
