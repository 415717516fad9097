package fair

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// Queue is a mutex that is granted fairly between flows. Waiting flows are served
// round robin, and the waiters of one flow first in, first out. So a waiter of one
// flow waits for one waiter of each other flow, however many there are. The zero
// value is ready to use.
type Queue struct {
	mu      sync.Mutex
	held    bool
	flows   []uuid.UUID // with waiters, the next one to be served first
	waiters map[uuid.UUID][]chan struct{}
}

// Acquire waits until the flow holds the queue. Release has to be called then, unless
// there is an error.
func (q *Queue) Acquire(ctx context.Context, flow uuid.UUID) error {
	q.mu.Lock()
	if !q.held {
		q.held = true
		q.mu.Unlock()
		return nil
	}
	granted := q.add(flow)
	q.mu.Unlock()
	return q.wait(ctx, flow, granted)
}

// Release lets the next waiter hold the queue.
func (q *Queue) Release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.grantNext()
}

// Yield lets each other waiting flow hold the queue once, and then acquires it again.
// If there is an error, the flow does not hold the queue any more.
func (q *Queue) Yield(ctx context.Context, flow uuid.UUID) error {
	q.mu.Lock()
	if len(q.flows) == 0 {
		q.mu.Unlock()
		return nil
	}
	granted := q.add(flow)
	q.grantNext()
	q.mu.Unlock()
	return q.wait(ctx, flow, granted)
}

// Len returns the number of waiters.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, waiters := range q.waiters {
		n += len(waiters)
	}
	return n
}

// add appends a waiter to its flow. If the flow had none, it appends the flow to the
// flows that wait.
func (q *Queue) add(flow uuid.UUID) (granted chan struct{}) {
	if q.waiters == nil {
		q.waiters = map[uuid.UUID][]chan struct{}{}
	}
	granted = make(chan struct{})
	if len(q.waiters[flow]) == 0 {
		q.flows = append(q.flows, flow)
	}
	q.waiters[flow] = append(q.waiters[flow], granted)
	return granted
}

func (q *Queue) grantNext() {
	if len(q.flows) == 0 {
		q.held = false
		return
	}
	flow := q.flows[0]
	q.flows = q.flows[1:]
	waiters := q.waiters[flow]
	if len(waiters) > 1 {
		q.waiters[flow] = waiters[1:]
		q.flows = append(q.flows, flow)
	} else {
		delete(q.waiters, flow)
	}
	close(waiters[0])
}

func (q *Queue) wait(ctx context.Context, flow uuid.UUID, granted chan struct{}) error {
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	waiters := q.waiters[flow]
	i := slices.Index(waiters, granted)
	switch {
	case i < 0: // it was granted at the same time
		q.grantNext()
	case len(waiters) > 1:
		q.waiters[flow] = slices.Delete(waiters, i, i+1)
	default:
		delete(q.waiters, flow)
		q.flows = slices.DeleteFunc(q.flows, func(id uuid.UUID) bool { return id == flow })
	}
	return context.Cause(ctx)
}
