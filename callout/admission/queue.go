package admission

import (
	"sync"
	"time"

	"github.com/gammazero/deque"
)

// openLimit is how many requests Next may open in a row while opened ones wait. To
// open a request costs a tenth of serving it; the limit keeps requests served when
// more arrive than can be opened.
const openLimit = 8

// Queue holds waiting requests. A request has to be opened to find its source. Next
// does that, and serves the opened requests round robin by source.
//
// Its lock is held for a few steps at a time, as that of a channel, however many
// requests wait. Safe for concurrent use.
type Queue[T any] struct {
	cfg Config[T]

	mu          sync.Mutex
	cond        sync.Cond               // signalled when a request waits
	arrived     deque.Deque[waiting[T]] // not opened yet
	openedInRow int                     // requests opened since the last opened one left
	sources     map[string]*source[T]   // with opened requests waiting
	opened      int                     // requests waiting in sources
	rotation    roundRobin[T]
	lengths     byLength[T]
	rate        throughput
	lag         time.Duration // of the usual request
	closed      bool
}

type waiting[T any] struct {
	value   T
	arrival time.Time
	lag     time.Duration // from its client's connect to its arrival, bounded; 0: unknown
}

// State says what to do with a request that leaves the queue.
type State int

// The states of an Item.
const (
	Admitted State = iota // serve it
	Expired               // shed it: its answer would come too late
	Evicted               // shed it: the queue is full, and its source is the heaviest
	Refused               // Open has refused it
)

// Item is a request that leaves the queue.
type Item[T any] struct {
	Value T
	State State
}

// NewQueue returns an empty Queue.
func NewQueue[T any](cfg Config[T]) *Queue[T] {
	q := &Queue[T]{cfg: cfg, sources: map[string]*source[T]{}, rotation: newRoundRobin[T]()}
	q.cond.L = &q.mu
	return q
}

// Add adds a request that has arrived at that time. It never blocks: it returns
// false if the queue is full or closed.
func (q *Queue[T]) Add(value T, arrival time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.arrived.Len() >= q.cfg.Limit {
		return false
	}
	if q.len() == 0 {
		q.rate.start(arrival)
	}
	q.arrived.PushBack(waiting[T]{value: value, arrival: arrival})
	q.cond.Signal()
	return true
}

// Wait blocks until a request waits. It returns false once the Queue is closed.
func (q *Queue[T]) Wait() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.len() == 0 && !q.closed {
		q.cond.Wait()
	}
	return !q.closed
}

// Next returns the next request that leaves the queue, and false if none waits. It
// opens requests before that, as needed. Every request leaves once, unless Close drops
// it: one that is being opened meanwhile leaves afterwards.
func (q *Queue[T]) Next() (Item[T], bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if item, ok := q.leave(); ok {
			if q.len() > 0 {
				q.cond.Signal() // a Wait may have seen none while one was being opened
			}
			return item, true
		}
		if q.arrived.Len() == 0 {
			return Item[T]{}, false
		}
		q.openedInRow++
		w := q.arrived.PopFront()
		if s, ok := q.open(w.value); ok {
			if !s.Connected.IsZero() {
				w.lag = min(max(0, w.arrival.Sub(s.Connected)), 2*q.cfg.Patience)
			}
			q.push(s.Name, w)
		} else {
			return Item[T]{w.value, Refused}, true
		}
	}
}

// open calls Open without the lock.
func (q *Queue[T]) open(value T) (Source, bool) {
	q.mu.Unlock()
	defer q.mu.Lock()
	return q.cfg.Open(value)
}

// leave removes a request that can leave now. It returns false if the next step is
// to open one. Requests that have arrived are opened first, because their source is
// not known yet. If too many opened ones wait, one of the heaviest source is
// evicted.
func (q *Queue[T]) leave() (Item[T], bool) {
	t := q.time()
	switch {
	case q.opened > q.cfg.Limit:
		w := q.pop(q.lengths.heaviest(), false)
		if t.late(w.arrival) {
			return Item[T]{w.value, Expired}, true
		}
		return Item[T]{w.value, Evicted}, true
	case q.arrived.Len() > 0 && (q.opened == 0 || q.openedInRow < openLimit):
		if !t.late(q.arrived.Front().arrival) {
			return Item[T]{}, false
		}
		return Item[T]{q.arrived.PopFront().value, Expired}, true
	case q.opened == 0:
		return Item[T]{}, false
	default:
		q.openedInRow = 0
		s := q.rotation.first()
		q.rotation.remove(s)
		q.rotation.push(s)
		return q.serve(s, &t), true
	}
}

// serve takes the next request of s. Requests that have waited too long come first
// in every order.
func (q *Queue[T]) serve(s *source[T], t *timing) Item[T] {
	overload := q.overloaded(s, t)
	newest := q.cfg.Order == NewestFirst || q.cfg.Order == Adaptive && overload
	w := q.pop(s, newest && !t.late(s.waiting.Front().arrival))
	if t.late(t.since(w.arrival, w.lag)) {
		return Item[T]{w.value, Expired}
	}
	q.rate.add(1, t.now)
	return Item[T]{w.value, Admitted}
}

// Len returns how many requests wait.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.len()
}

// Oldest returns how long the oldest request has waited.
func (q *Queue[T]) Oldest() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, oldest := q.cfg.Now(), time.Duration(0)
	if q.arrived.Len() > 0 {
		oldest = now.Sub(q.arrived.Front().arrival)
	}
	for _, s := range q.sources {
		oldest = max(oldest, now.Sub(s.waiting.Front().arrival))
	}
	return oldest
}

// Close makes every Wait return false and every Add fail. It drops the requests that
// wait, and returns how many those are.
func (q *Queue[T]) Close() (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	dropped = q.len()
	q.arrived.Clear()
	for q.opened > 0 {
		q.pop(q.lengths.heaviest(), false)
	}
	q.closed = true
	q.cond.Broadcast()
	return dropped
}

func (q *Queue[T]) len() int { return q.arrived.Len() + q.opened }

// push adds w to the queue of its source.
func (q *Queue[T]) push(name string, w waiting[T]) {
	s := q.sources[name]
	if s == nil {
		s = q.lengths.unused()
		s.name = name
		q.sources[name] = s
		q.rotation.push(s)
	}
	s.waiting.PushBack(w)
	q.lag += (w.lag - q.lag) / lagMemory
	q.lengths.increased(s)
	q.opened++
}

// pop removes the newest or the oldest request of s, and s itself with its last.
func (q *Queue[T]) pop(s *source[T], newest bool) waiting[T] {
	q.opened--
	var w waiting[T]
	if newest {
		w = s.waiting.PopBack()
	} else {
		w = s.waiting.PopFront()
	}
	q.lengths.decreased(s)
	if s.waiting.Len() == 0 {
		q.rotation.remove(s)
		delete(q.sources, s.name)
		s.name = ""
	}
	return w
}
