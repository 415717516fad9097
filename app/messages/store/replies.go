package store

import (
	"context"
	"crypto/rand"
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
	batches map[string]*batch
}

// batch is a number of requests that wait for their answers.
type batch struct {
	replies *replies
	id      string               // random: who sees one reply subject guesses no other one
	prefix  string               // of reply subjects; the index follows
	accepts func(*nats.Msg) bool // reports whether a message can be an answer

	mu      sync.Mutex
	answers []*nats.Msg   // nil: not yet
	missing int           // of answers
	refused chan struct{} // gets one value once something came that is no answer
	all     chan struct{} // closed when none is missing
}

func newReplies(conn *nats.Conn) (*replies, error) {
	r := &replies{prefix: conn.NewInbox() + ".", batches: make(map[string]*batch)}
	sub, err := conn.Subscribe(r.prefix+"*.*", r.receive)
	if err != nil {
		return nil, fmt.Errorf("subscribe to answers: %w", err)
	}
	// What is in flight is bounded by the account.
	return r, sub.SetPendingLimits(-1, -1)
}

// start registers a batch of n requests.
func (r *replies) start(n int, accepts func(*nats.Msg) bool) *batch {
	b := &batch{replies: r, id: rand.Text(), accepts: accepts, answers: make([]*nats.Msg, n), missing: n, refused: make(chan struct{}, 1), all: make(chan struct{})}
	b.prefix = r.prefix + b.id + "."
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches[b.id] = b
	return b
}

// request sends messages, whose answers then arrive at the batch. What accepts refuses is no
// answer.
func (a *account) request(out []nats.Msg, accepts func(*nats.Msg) bool) (*batch, error) {
	if !a.conn.IsConnected() {
		return nil, errDisconnected // what is published now would be kept, and sent after the answer
	}
	b := a.replies.start(len(out), accepts)
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
	r.mu.Lock()
	b := r.batches[id]
	r.mu.Unlock()
	i, err := strconv.Atoi(index)
	if b == nil || err != nil || i < 0 || i >= len(b.answers) {
		return
	}
	if !b.accepts(m) {
		select {
		case b.refused <- struct{}{}:
		default:
		}
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

// errForeign: something came that is no answer to this request.
var errForeign = errors.New("the answer of another stream")

// wait returns the answers once they are complete, the context ends, none has come for the time
// of timeout, or foreign says that something came that is no answer (errForeign). An answer that is missing is
// nil.
func (b *batch) wait(ctx context.Context, timeout time.Duration, foreign <-chan struct{}) ([]*nats.Msg, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for missing := len(b.answers); ; {
		select {
		case <-foreign:
			answers, _ := b.sofar()
			return answers, errForeign
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
