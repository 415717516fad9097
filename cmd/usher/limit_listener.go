package main

import (
	"net"
	"net/netip"
	"sync"

	"usher/callout/admission"
)

// How many connections the management API holds at once. It is for people and
// scripts; without a limit, whoever reaches it could use up the files that the
// service needs for clients.
const (
	apiConnections        = 1024
	apiConnectionsPerHost = 256 // so that one host leaves room for the others
)

// limited is a listener that closes at once what is more than the limits.
type limited struct {
	net.Listener
	most, perHost int

	mu    sync.Mutex
	all   int
	hosts map[string]int
}

func limit(l net.Listener, most, perHost int) *limited {
	return &limited{Listener: l, most: most, perHost: perHost, hosts: map[string]int{}}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
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

func (l *limited) take(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.most || l.hosts[host] >= l.perHost {
		return false
	}
	l.all++
	l.hosts[host]++
	return true
}

func (l *limited) release(host string) {
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
