package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"usher/api/messages"
)

// replies receives the answers to many requests with one subscription. A batch of requests
// waits for all of its answers at once.
type replies struct {
	prefix string

	mu      sync.Mutex
	last    uint64
	batches map[uint64]*batch
}

// batch is a number of requests that wait for their answers.
type batch struct {
	replies *replies
	id      uint64
	prefix  string // of reply subjects; the index follows

	mu      sync.Mutex
	answers []*nats.Msg   // nil: not yet
	missing int           // of answers
	all     chan struct{} // closed when none is missing
}

func newReplies(conn *nats.Conn) (*replies, error) {
	r := &replies{prefix: conn.NewInbox() + ".", batches: make(map[uint64]*batch)}
	sub, err := conn.Subscribe(r.prefix+"*.*", r.receive)
	if err != nil {
		return nil, fmt.Errorf("subscribe to answers: %w", err)
	}
	// What is in flight is bounded by the account.
	return r, sub.SetPendingLimits(-1, -1)
}

// start registers a batch of n requests.
func (r *replies) start(n int) *batch {
	b := &batch{replies: r, answers: make([]*nats.Msg, n), missing: n, all: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	b.id = r.last
	b.prefix = r.prefix + strconv.FormatUint(b.id, 36) + "."
	r.batches[b.id] = b
	return b
}

// request sends messages, whose answers then arrive at the batch.
func (a *account) request(out []nats.Msg) (*batch, error) {
	if !a.conn.IsConnected() {
		return nil, errDisconnected // what is published now would be kept, and sent after the answer
	}
	b := a.replies.start(len(out))
	for i := range out {
		out[i].Reply = b.subject(i)
		if err := a.conn.PublishMsg(&out[i]); err != nil {
			b.stop()
			if errors.Is(err, nats.ErrMaxPayload) {
				err = fmt.Errorf("%w: %w", messages.ErrTooLarge, err)
			}
			return nil, fmt.Errorf("publish: %w", err)
		}
	}
	return b, nil
}

// stop forgets a batch. Answers that are still to come are dropped.
func (b *batch) stop() {
	b.replies.mu.Lock()
	defer b.replies.mu.Unlock()
	delete(b.replies.batches, b.id)
}

// subject is where the answer to request i is expected.
func (b *batch) subject(i int) string { return b.prefix + strconv.Itoa(i) }

// receive hands an answer to the batch that waits for it.
func (r *replies) receive(m *nats.Msg) {
	id, index, ok := strings.Cut(strings.TrimPrefix(m.Subject, r.prefix), ".")
	if !ok {
		return
	}
	number, err := strconv.ParseUint(id, 36, 64)
	if err != nil {
		return
	}
	r.mu.Lock()
	b := r.batches[number]
	r.mu.Unlock()
	i, err := strconv.Atoi(index)
	if b == nil || err != nil || i < 0 || i >= len(b.answers) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.answers[i] == nil {
		b.answers[i] = m
		if b.missing--; b.missing == 0 {
			close(b.all)
		}
	}
}

// wait returns the answers once they are complete, the context ends, or none has come for the
// time of timeout. An answer that is missing is nil.
func (b *batch) wait(ctx context.Context, timeout time.Duration) ([]*nats.Msg, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for missing := len(b.answers); ; {
		select {
		case <-b.all:
			return b.answers, nil // nobody changes them any more
		case <-timer.C:
			answers, now := b.sofar()
			if now == missing {
				return answers, errNoAnswer
			}
			missing = now
			timer.Reset(timeout)
		case <-ctx.Done():
			answers, _ := b.sofar()
			return answers, context.Cause(ctx)
		}
	}
}

// sofar returns the answers that have come, and how many are missing.
func (b *batch) sofar() ([]*nats.Msg, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.answers), b.missing
}
