package kv_test

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/callout/callouttest"
)

// proxy is a TCP proxy between a store and its server. It can cut the connection at a
// chosen message.
type proxy struct {
	listener net.Listener
	server   string
	tasks    sync.WaitGroup

	mu      sync.Mutex
	conns   map[net.Conn]bool
	shut    bool   // refuses new connections
	text    string // the text for which cut is called
	cut     func() action
	done    func()   // called after the action
	rate    int      // bytes per second from clients; 0: unlimited
	barrier *barrier // for replies; nil: none
}

// barrier holds replies back from a text on.
type barrier struct {
	text            string
	reached, passed chan struct{} // closed when the text has arrived, and when it may pass
}

// action is what the proxy does with bytes from a client.
type action int

const (
	pass        action = iota
	dropRequest        // do not send them to the server, and close the connection
	dropReplies        // send them to the server, and send no reply back
	redirect           // send them to subject "mislaid" instead, and keep the connection
)

func startProxy(tb testing.TB, server string) *proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	callouttest.Must(tb, err)
	p := &proxy{listener: l, server: server, conns: map[net.Conn]bool{}}
	p.tasks.Go(p.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		p.closeAll(true)
		p.tasks.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

// next sets the action for the next bytes that contain this text. Afterwards the proxy
// refuses connections until open is called, except after redirect.
func (p *proxy) next(text string, f action) (done <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cut := make(chan struct{})
	p.done = sync.OnceFunc(func() { close(cut) })
	p.text, p.cut = text, func() action {
		p.cut, p.shut = nil, f != redirect
		return f
	}
	return cut
}

// redirectEveryOther redirects every other request that contains this text, beginning with
// the next one.
func (p *proxy) redirectEveryOther(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	p.done = func() {}
	p.text, p.cut = text, func() action {
		n++
		return []action{pass, redirect}[n%2]
	}
}

// slow limits the rate of bytes from clients on new connections, in bytes per second.
func (p *proxy) slow(rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = rate
}

// hold holds replies back from this text on, until pass is called.
func (p *proxy) hold(text string) (reached <-chan struct{}, pass func()) {
	h := &barrier{text: text, reached: make(chan struct{}), passed: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.barrier = h
	return h.reached, sync.OnceFunc(func() { close(h.passed) })
}

// partial is the end of what has arrived, which may be the beginning of a text.
type partial []byte

// find returns the index in now where a text begins, or goes on; -1: it has not arrived.
func (s *partial) find(now []byte, text string) int {
	all := append(slices.Clone(*s), now...)
	at := strings.Index(string(all), text)
	if at >= 0 {
		at = max(at-len(*s), 0)
	}
	*s = all[max(len(all)-len(text)+1, 0):]
	return at
}

// action returns the action for these bytes.
func (p *proxy) action(before *partial, b []byte) (f action, done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut != nil && before.find(b, p.text) >= 0 {
		*before = nil
		f = p.cut()
	}
	return f, p.done
}

// held returns the barrier that these bytes reach, and its index in them.
func (p *proxy) held(before *partial, b []byte) (*barrier, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.barrier
	if h == nil {
		return nil, 0
	}
	at := before.find(b, h.text)
	if at < 0 {
		return nil, 0
	}
	p.barrier = nil
	return h, at
}

// closeConns closes the connections that dropReplies has left open.
func (p *proxy) closeConns() { p.closeAll(false) }

// open accepts new connections again.
func (p *proxy) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = false
}

func (p *proxy) closeAll(forever bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = p.shut || forever
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		if p.shut {
			_, _ = client.Close(), server.Close()
			p.mu.Unlock()
			continue
		}
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		var deaf sync.Mutex
		p.tasks.Go(func() { p.up(client, server, &deaf) })
		p.tasks.Go(func() { p.down(server, client, &deaf) })
	}
}

// up copies from the client to the server. While deaf is locked, down drops replies.
func (p *proxy) up(client, server net.Conn, deaf *sync.Mutex) {
	defer p.hang(client, server)
	b := make([]byte, 1<<20)
	p.mu.Lock()
	rate := p.rate
	p.mu.Unlock()
	if rate > 0 {
		b = b[:rate/50]
	}
	var before partial
	var free time.Time // when the connection can carry more
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if rate > 0 {
			// Make up for late timers, so that a slow machine does not lower the rate.
			if late := time.Now().Add(-300 * time.Millisecond); free.Before(late) {
				free = late
			}
			free = free.Add(time.Duration(n) * time.Second / time.Duration(rate))
			<-time.After(time.Until(free))
		}
		f, done := p.action(&before, b[:n])
		switch f {
		case dropRequest:
			done()
			return
		case dropReplies:
			deaf.Lock() // until the connection is closed
		case redirect:
			at := bytes.Index(b[:n], []byte("$JS.API."))
			copy(b[at:], "mislaid.")
			done()
		case pass:
		}
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
		if f == dropReplies {
			done()
		}
	}
}

// down copies from the server to the client.
func (p *proxy) down(server, client net.Conn, deaf *sync.Mutex) {
	defer p.hang(client, server)
	b := make([]byte, 1<<20)
	var before partial
	for {
		n, err := server.Read(b)
		if err != nil {
			return
		}
		if !deaf.TryLock() {
			continue // drop the reply
		}
		from := 0
		if h, at := p.held(&before, b[:n]); h != nil {
			_, _ = client.Write(b[:at])
			close(h.reached)
			<-h.passed
			from = at
		}
		_, err = client.Write(b[from:n])
		deaf.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *proxy) hang(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}
