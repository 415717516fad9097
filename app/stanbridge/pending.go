package stanbridge

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// waiting is a message that JetStream has not acknowledged yet.
type waiting struct {
	sender, guid, reply string
	bytes               int
	since               time.Time
}

// amount is a number of messages and their bytes.
type amount struct{ messages, bytes int }

// pending has the messages that wait for JetStream, within limits. A client may have at most
// as many as are still free: alone half of all, as one of n the nth part or so. So those who
// come later find room, unless there are very many.
type pending struct {
	limit amount

	mu      sync.Mutex
	all     map[*nats.Msg]*waiting
	total   amount
	answers int               // messages that were removed, and whose answer is not sent yet
	clients map[string]amount // only those that have something here
	idle    chan struct{}     // closed when nothing waits and all is answered; nil: nobody asks
}

func newPending(messages, bytes int) *pending {
	return &pending{limit: amount{messages, bytes}, all: map[*nats.Msg]*waiting{}, clients: map[string]amount{}}
}

// add takes a message, or returns why it does not.
func (p *pending) add(m *nats.Msg, w *waiting) Reason {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.clients[w.sender]
	free := amount{p.limit.messages - p.total.messages - 1, p.limit.bytes - p.total.bytes - w.bytes}
	switch {
	case free.messages < 0 || free.bytes < 0:
		return ReasonFull
	case own.messages > 0 && (own.messages > free.messages || own.bytes > free.bytes):
		return ReasonShare
	}
	p.all[m] = w
	p.count(w, 1)
	return ""
}

// remove returns the message that waited, or nil if it does not wait any more. The caller
// answers it, and then calls answered.
func (p *pending) remove(m *nats.Msg) *waiting {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.all[m]
	if w == nil {
		return nil
	}
	delete(p.all, m)
	p.count(w, -1)
	p.answers++
	return w
}

// answered is called once for each message that remove has returned.
func (p *pending) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers--
	if p.isIdle() && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// isIdle reports whether nothing waits. p is locked.
func (p *pending) isIdle() bool { return len(p.all) == 0 && p.answers == 0 }

// count adds a message n times. p is locked.
func (p *pending) count(w *waiting, n int) {
	p.total.messages += n
	p.total.bytes += n * w.bytes
	own := p.clients[w.sender]
	own.messages += n
	own.bytes += n * w.bytes
	if own.messages == 0 {
		delete(p.clients, w.sender)
	} else {
		p.clients[w.sender] = own
	}
}

func (p *pending) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total.messages
}

func (p *pending) amount() amount {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

// wait waits until nothing waits and all is answered, or ctx ends. One caller at a time may wait.
func (p *pending) wait(ctx context.Context) {
	p.mu.Lock()
	if p.isIdle() {
		p.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	p.idle = idle
	p.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}
