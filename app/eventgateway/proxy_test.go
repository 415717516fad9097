package eventgateway_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"usher/callout/callouttest"
)

// proxy is the network between two servers. It can be cut, or lose everything that is sent
// while its connections stay open.
type proxy struct {
	target string
	l      net.Listener

	mu    sync.Mutex
	pairs map[*pair]bool
	wait  sync.WaitGroup
}

// pair is a connection through the proxy.
type pair struct {
	ends [2]net.Conn
	lost atomic.Bool // whatever is sent
}

func (p *pair) close() {
	for _, c := range p.ends {
		c.Close() //nolint:errcheck // it is to end
	}
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	p := &proxy{target: target, l: l, pairs: map[*pair]bool{}}
	p.wait.Go(p.accept)
	t.Cleanup(func() {
		l.Close() //nolint:errcheck // at the end of the test
		p.cut()
		p.wait.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

func (p *proxy) accept() {
	for {
		from, err := p.l.Accept()
		if err != nil {
			return
		}
		to, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.target)
		if err != nil {
			from.Close() //nolint:errcheck // the target is down
			continue
		}
		c := &pair{ends: [2]net.Conn{from, to}}
		p.mu.Lock()
		p.pairs[c] = true
		p.mu.Unlock()
		p.wait.Go(func() { p.copy(c, from, to) })
		p.wait.Go(func() { p.copy(c, to, from) })
	}
}

func (p *proxy) copy(c *pair, from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err == nil && !c.lost.Load() {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			break
		}
	}
	c.close()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

func (p *proxy) each(f func(*pair)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		f(c)
	}
}

// cut ends every connection.
func (p *proxy) cut() { p.each((*pair).close) }

// lose loses whatever is sent over the connections that exist, without an end of them.
func (p *proxy) lose() { p.each(func(c *pair) { c.lost.Store(true) }) }
