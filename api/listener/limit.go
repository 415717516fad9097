package listener

import (
	"net"
	"net/netip"
	"sync"

	"usher/callout/admission"
)

// limitListener is a listener that closes at once what is more than the limits. Making it
// wait instead, as netutil.LimitListener of golang.org/x/net does, would have
// whoever holds all connections keep everybody else out, and that one knows no
// addresses.
type limitListener struct {
	net.Listener
	most, perHost int

	mu    sync.Mutex
	all   int
	hosts map[string]int
}

func newLimitListener(l net.Listener, most, perHost int) *limitListener {
	return &limitListener{Listener: l, most: most, perHost: perHost, hosts: map[string]int{}}
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host := sourceOf(conn.RemoteAddr())
		if l.take(host) {
			return &heldConn{Conn: conn, release: sync.OnceFunc(func() { l.release(host) })}, nil
		}
		_ = conn.Close() // there is nobody to tell
	}
}

// sourceOf is the address that a connection comes from, without the port.
func sourceOf(a net.Addr) string {
	if p, err := netip.ParseAddrPort(a.String()); err == nil {
		return admission.HostSource(p.Addr().String())
	}
	return a.String()
}

func (l *limitListener) take(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.most || l.hosts[host] >= l.perHost {
		return false
	}
	l.all++
	l.hosts[host]++
	return true
}

func (l *limitListener) release(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.hosts[host]--; l.hosts[host] == 0 {
		delete(l.hosts, host)
	}
}

// heldConn is a connection that makes room when it is closed.
type heldConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *heldConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
