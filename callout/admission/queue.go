package admission

import (
	"sync"
	"time"

	"github.com/gammazero/deque"
)

// Order is which request of one source is taken first.
type Order string

// The orders. docs/performance.md has the measurement that chose the default.
const (
	OldestFirst Order = "oldest_first"
	NewestFirst Order = "newest_first"
	// Adaptive takes the oldest first until the oldest has waited for a third of
	// the limit, and then the newest: its client has the most patience left.
	Adaptive Order = "adaptive"
)

// Orders lists the orders.
func Orders() []Order { return []Order{Adaptive, OldestFirst, NewestFirst} }

// patience is the share of the limit that Adaptive lets the oldest wait.
const patience = 3

// Config describes a Queue. All fields are needed.
type Config struct {
	Limit int           // how many may wait
	Age   time.Duration // how long one may wait
	Order Order
	Now   func() time.Time
}

// Queue holds what waits. What has just come is in no source yet, because its
// source is not known before somebody has looked; whoever takes it looks, and
// hands it back with Exchange. Then the sources have turns, one each.
//
// Its lock is held for a few steps at a time, as a channel's would be. Safe for
// concurrent use.
type Queue[T any] struct {
	cfg Config

	mu      sync.Mutex
	came    sync.Cond
	fresh   deque.Deque[waiting[T]]
	turns   deque.Deque[*source[T]] // all sources, and some more that have nothing waiting now
	sources map[string]*source[T]
	held    int // in fresh and in all sources
	cursor  int // where crowded looks first
	closed  bool
}

type waiting[T any] struct {
	value   T
	arrival time.Time
}

type source[T any] struct {
	name    string
	waiting deque.Deque[waiting[T]] // in the order of arrival
}

// State is in what way something leaves the queue.
type State int

// The states of a Turn.
const (
	Fresh State = iota // its source is not known: look, and Exchange it
	Next               // it is its turn
	Late               // it has waited too long: shed it
	Full               // too many wait, and its source has more than others: shed it
)

// Turn is what a worker is to do.
type Turn[T any] struct {
	Value T
	State State
}

// NewQueue returns an empty Queue.
func NewQueue[T any](cfg Config) *Queue[T] {
	q := &Queue[T]{cfg: cfg, sources: map[string]*source[T]{}}
	q.came.L = &q.mu
	return q
}

// Add lets value wait, which arrived just now, and returns at once. If too many
// wait already, it does not, and Add returns false.
func (q *Queue[T]) Add(value T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.fresh.Len() >= q.cfg.Limit {
		return false
	}
	q.fresh.PushBack(waiting[T]{value, q.cfg.Now()})
	q.held++
	q.came.Signal()
	return true
}

// Take waits for the next turn. It returns false once the Queue is closed.
func (q *Queue[T]) Take() (Turn[T], bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.held == 0 && !q.closed {
		q.came.Wait()
	}
	if q.closed {
		return Turn[T]{}, false
	}
	return q.next(), true
}

// Exchange puts value, which was Fresh and arrived at arrival, into the queue of
// its source, and returns the next turn: its own, if nothing else waits.
func (q *Queue[T]) Exchange(name string, value T, arrival time.Time) Turn[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.sources[name]
	if s == nil {
		s = &source[T]{name: name}
		q.sources[name] = s
		q.turns.PushBack(s)
	}
	s.waiting.PushBack(waiting[T]{value, arrival})
	q.held++
	return q.next()
}

// Held returns how many wait.
func (q *Queue[T]) Held() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held
}

// Close ends the waiting of all who Take, and returns how many still waited.
func (q *Queue[T]) Close() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.came.Broadcast()
	return q.held
}

// next returns a turn; something waits. What has just come goes first: looking
// costs a tenth of the work, and before, nobody knows whose turn it is.
func (q *Queue[T]) next() Turn[T] {
	q.held--
	if q.fresh.Len() > 0 {
		w := q.fresh.PopFront()
		if q.cfg.Now().Sub(w.arrival) >= q.cfg.Age {
			return Turn[T]{w.value, Late}
		}
		return Turn[T]{w.value, Fresh}
	}
	if q.held >= q.cfg.Limit {
		return Turn[T]{q.crowded().waiting.PopFront().value, Full}
	}
	s := q.turn()
	turn := q.pick(s)
	q.turns.PushBack(s)
	return turn
}

// turn returns the source whose turn it is. Those that have nothing waiting any
// more are forgotten on the way.
func (q *Queue[T]) turn() *source[T] {
	for {
		s := q.turns.PopFront()
		if s.waiting.Len() > 0 {
			return s
		}
		delete(q.sources, s.name)
	}
}

// crowded returns a source that has at least as much waiting as the mean: those
// who wait with less do not pay for the others.
func (q *Queue[T]) crowded() *source[T] {
	mean := (q.held + q.turns.Len()) / q.turns.Len() // rounded up, with the one that leaves
	for range q.turns.Len() {
		s := q.turns.At(q.cursor % q.turns.Len())
		if s.waiting.Len() >= mean {
			return s // and the next time too, as long as it has
		}
		q.cursor++
	}
	panic("admission: every source has less than the mean")
}

// pick takes one of what waits in s.
func (q *Queue[T]) pick(s *source[T]) Turn[T] {
	waited := q.cfg.Now().Sub(s.waiting.Front().arrival)
	switch {
	case waited >= q.cfg.Age:
		return Turn[T]{s.waiting.PopFront().value, Late}
	case q.cfg.Order == NewestFirst, q.cfg.Order == Adaptive && waited >= q.cfg.Age/patience:
		return Turn[T]{s.waiting.PopBack().value, Next}
	default:
		return Turn[T]{s.waiting.PopFront().value, Next}
	}
}
