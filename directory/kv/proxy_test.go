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

	mu    sync.Mutex
	conns map[net.Conn]bool
	shut  bool   // no new lines
	text  string // which cut is asked about; the rest are bytes
	cut   func() fate
	done  func() // tells that it was cut
	rate  int    // bytes a second of what clients say; 0: as it comes
	halt  *halt  // of what the server says; nil: none
}

// halt is a stop for what the server says, in front of a text.
type halt struct {
	text          string
	there, passed chan struct{} // closed when the text is there, and when it may pass
}

// fate is what becomes of bytes on their way to the server.
type fate int

const (
	pass    fate = iota
	swallow      // the server does not get them, and the line is cut
	deafen       // the server gets them, and nothing that it says comes back
	mislay       // the server gives them to who subscribes to "mislaid", and the line stays
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

// next says what becomes of the next bytes that hold this text. Afterwards the
// line is cut, and stays so until open, except for mislay.
func (p *proxy) next(text string, f fate) (done <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cut := make(chan struct{})
	p.done = sync.OnceFunc(func() { close(cut) })
	p.text, p.cut = text, func() fate {
		p.cut, p.shut = nil, f != mislay
		return f
	}
	return cut
}

// mislayEveryOther mislays the next bytes that hold this text, not those after
// them, and so on.
func (p *proxy) mislayEveryOther(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	p.done = func() {}
	p.text, p.cut = text, func() fate {
		n++
		return []fate{pass, mislay}[n%2]
	}
}

// slow has new lines carry so many bytes a second of what clients say.
func (p *proxy) slow(rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = rate
}

// hold keeps back what the server says from this text on, until pass is called.
func (p *proxy) hold(text string) (there <-chan struct{}, pass func()) {
	h := &halt{text: text, there: make(chan struct{}), passed: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt = h
	return h.there, sync.OnceFunc(func() { close(h.passed) })
}

// seam is what has come before of a text that comes in two pieces.
type seam []byte

// find returns where a text begins, or goes on, in what has come now; -1: it has
// not come.
func (s *seam) find(now []byte, text string) int {
	all := append(slices.Clone(*s), now...)
	at := strings.Index(string(all), text)
	if at >= 0 {
		at = max(at-len(*s), 0)
	}
	*s = all[max(len(all)-len(text)+1, 0):]
	return at
}

// fate takes what becomes of these bytes.
func (p *proxy) fate(before *seam, b []byte) (f fate, done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut != nil && before.find(b, p.text) >= 0 {
		*before = nil
		f = p.cut()
	}
	return f, p.done
}

// held takes the halt that these bytes come to, and where that is.
func (p *proxy) held(before *seam, b []byte) (*halt, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.halt
	if h == nil {
		return nil, 0
	}
	at := before.find(b, h.text)
	if at < 0 {
		return nil, 0
	}
	p.halt = nil
	return h, at
}

// hangUp ends what deafen has left.
func (p *proxy) hangUp() { p.closeAll(false) }

// open lets new lines in again.
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

// up carries what the client says. Who holds deaf keeps down from carrying on.
func (p *proxy) up(client, server net.Conn, deaf *sync.Mutex) {
	defer p.hang(client, server)
	b := make([]byte, 1<<20)
	p.mu.Lock()
	rate := p.rate
	p.mu.Unlock()
	if rate > 0 {
		b = b[:rate/50]
	}
	var before seam
	var free time.Time // when the line has carried all that was said
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if rate > 0 {
			// What a timer is late it makes up for: the line is no slower on a slow machine.
			if late := time.Now().Add(-300 * time.Millisecond); free.Before(late) {
				free = late
			}
			free = free.Add(time.Duration(n) * time.Second / time.Duration(rate))
			<-time.After(time.Until(free))
		}
		f, done := p.fate(&before, b[:n])
		switch f {
		case swallow:
			done()
			return
		case deafen:
			deaf.Lock() // for good
		case mislay:
			at := bytes.Index(b[:n], []byte("$JS.API."))
			copy(b[at:], "mislaid.")
			done()
		case pass:
		}
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
		if f == deafen {
			done()
		}
	}
}

// down carries what the server says.
func (p *proxy) down(server, client net.Conn, deaf *sync.Mutex) {
	defer p.hang(client, server)
	b := make([]byte, 1<<20)
	var before seam
	for {
		n, err := server.Read(b)
		if err != nil {
			return
		}
		if !deaf.TryLock() {
			continue // into the void
		}
		from := 0
		if h, at := p.held(&before, b[:n]); h != nil {
			_, _ = client.Write(b[:at])
			close(h.there)
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
