package kv

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// queue lets one change be made at a time. Those that wait are taken round robin:
// one of each party, and of one party the first that came. However many changes of
// one party wait, another's waits for one of them.
type queue struct {
	mu      sync.Mutex
	busy    bool
	round   []uuid.UUID // parties that wait, the next one first
	waiting map[uuid.UUID][]chan struct{}
}

// enter waits until it is the party's turn; leave has to be called then.
func (q *queue) enter(ctx context.Context, party uuid.UUID) error {
	q.mu.Lock()
	if !q.busy {
		q.busy = true
		q.mu.Unlock()
		return nil
	}
	turn := q.add(party)
	q.mu.Unlock()
	return q.wait(ctx, party, turn)
}

// leave lets the next one have its turn.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next()
}

// pass lets all other parties that wait go first, once each. If the error is not
// nil, leave must not be called.
func (q *queue) pass(ctx context.Context, party uuid.UUID) error {
	q.mu.Lock()
	if len(q.round) == 0 {
		q.mu.Unlock()
		return nil
	}
	turn := q.add(party)
	q.next()
	q.mu.Unlock()
	return q.wait(ctx, party, turn)
}

// add puts somebody at the end of its party, and a party that did not wait at the
// end of the round.
func (q *queue) add(party uuid.UUID) chan struct{} {
	if q.waiting == nil {
		q.waiting = map[uuid.UUID][]chan struct{}{}
	}
	turn := make(chan struct{})
	if len(q.waiting[party]) == 0 {
		q.round = append(q.round, party)
	}
	q.waiting[party] = append(q.waiting[party], turn)
	return turn
}

func (q *queue) next() {
	if len(q.round) == 0 {
		q.busy = false
		return
	}
	party := q.round[0]
	q.round = q.round[1:]
	of := q.waiting[party]
	if len(of) > 1 {
		q.waiting[party] = of[1:]
		q.round = append(q.round, party)
	} else {
		delete(q.waiting, party)
	}
	close(of[0])
}

func (q *queue) wait(ctx context.Context, party uuid.UUID, turn chan struct{}) error {
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	of := q.waiting[party]
	at := slices.Index(of, turn)
	switch {
	case at < 0: // it has just come
		q.next()
	case len(of) > 1:
		q.waiting[party] = slices.Delete(of, at, at+1)
	default:
		delete(q.waiting, party)
		q.round = slices.DeleteFunc(q.round, func(id uuid.UUID) bool { return id == party })
	}
	return context.Cause(ctx)
}

// length returns how many wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, of := range q.waiting {
		n += len(of)
	}
	return n
}
