package automate_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"usher/callout/callouttest"
)

// proxy passes TCP connections on, until it cuts or freezes them.
type proxy struct {
	net.Listener

	mu     sync.Mutex
	conns  []net.Conn
	frozen chan struct{} // nil: bytes are passed on; else they are read and dropped
	all    sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	p := &proxy{Listener: l}
	p.all.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			other, err := (&net.Dialer{}).Dial("tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, from, other)
			p.mu.Unlock()
			p.all.Go(func() { p.pass(from, other) })
			p.all.Go(func() { p.pass(other, from) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.all.Wait()
	})
	return p
}

// pass copies until a side ends. What a frozen connection gets is lost, and neither side
// is told.
func (p *proxy) pass(to, from net.Conn) {
	defer to.Close()   //nolint:errcheck // a test
	defer from.Close() //nolint:errcheck // a test
	_, _ = io.Copy(lossy{to, p.freezer()}, from)
}

type lossy struct {
	to     io.Writer
	frozen func() bool
}

func (l lossy) Write(b []byte) (int, error) {
	if l.frozen() {
		return len(b), nil
	}
	return l.to.Write(b)
}

// freezer returns whether the connections of now have been frozen.
func (p *proxy) freezer() func() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen == nil {
		p.frozen = make(chan struct{})
	}
	frozen := p.frozen
	return func() bool {
		select {
		case <-frozen:
			return true
		default:
			return false
		}
	}
}

// freeze makes the connections half open: they stay, and nothing arrives any more.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != nil {
		close(p.frozen)
	}
	p.frozen = nil
}

// cut ends the connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}
