package listener

import (
	"net"
	"net/netip"
	"sync"

	"usher/callout/ratelimit"
)

// limitListener closes connections above its limits at once. netutil.LimitListener of
// golang.org/x/net makes them wait instead: one client that holds all connections would
// then keep out all others. It also has no limit for one address.
type limitListener struct {
	net.Listener
	maxTotal, maxPerHost int

	mu     sync.Mutex
	total  int
	byHost map[string]int
}

func newLimitListener(l net.Listener, maxTotal, maxPerHost int) *limitListener {
	return &limitListener{Listener: l, maxTotal: maxTotal, maxPerHost: maxPerHost, byHost: map[string]int{}}
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host := hostOf(conn.RemoteAddr())
		if l.acquire(host) {
			return &limitedConn{Conn: conn, release: sync.OnceFunc(func() { l.release(host) })}, nil
		}
		_ = conn.Close()
	}
}

// hostOf returns the address of a client without the port (IPv6: its /64 network).
func hostOf(a net.Addr) string {
	if p, err := netip.ParseAddrPort(a.String()); err == nil {
		return ratelimit.HostSource(p.Addr().String())
	}
	return a.String()
}

func (l *limitListener) acquire(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.maxTotal || l.byHost[host] >= l.maxPerHost {
		return false
	}
	l.total++
	l.byHost[host]++
	return true
}

func (l *limitListener) release(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.byHost[host]--; l.byHost[host] == 0 {
		delete(l.byHost, host)
	}
}

// limitedConn counts against the limits until it is closed.
type limitedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// Limit limits the connections of a listener that serves something else than HTTP: in total,
// and of one address to a quarter of that. It closes connections above a limit at once.
func Limit(l net.Listener, connections int) net.Listener {
	return newLimitListener(l, connections, maxPerHost(connections))
}
