package admission

import (
	"sync"
	"time"

	"github.com/gammazero/deque"
)

// Order is the order in which the requests of one source are served.
type Order string

// The orders. docs/explanation/storms.md has the measurement behind the default.
const (
	OldestFirst Order = "oldest_first"
	NewestFirst Order = "newest_first"
	// Adaptive is OldestFirst, and under pressure NewestFirst: the client of the
	// newest request waits longest before it gives up.
	Adaptive Order = "adaptive"
)

// Orders lists the orders.
func Orders() []Order { return []Order{Adaptive, OldestFirst, NewestFirst} }

// Config configures a Queue. All fields but Delay are required.
type Config struct {
	Limit  int           // requests that may wait
	MaxAge time.Duration // of a request once its answer has been processed
	Order  Order
	Delay  func() time.Duration // from admission until the answer has been processed; nil: none
	Now    func() time.Time
}

// pressureThreshold is the age of the oldest request of a source at which the
// source is under pressure.
func (c *Config) pressureThreshold() time.Duration { return c.MaxAge / 3 }

// maxDelay bounds the Delay that counts. If all requests were shed because of the
// delay, nothing would measure when it is over.
func (c *Config) maxDelay() time.Duration { return c.MaxAge / 2 }

// peekLimit is how many unclassified requests may be taken in a row while
// classified ones wait. To classify a request costs a tenth of serving it; the
// limit keeps requests served when more arrive than can be classified.
const peekLimit = 8

// Queue holds waiting requests. A request arrives unclassified, because somebody
// has to open it to find its source: a worker takes it, and puts it back with
// Classify. Classified requests are served round robin by source.
//
// Its lock is held for a few steps at a time, as that of a channel, however many
// requests wait. Safe for concurrent use.
type Queue[T any] struct {
	cfg Config

	mu           sync.Mutex
	cond         sync.Cond // signalled when a request arrives
	unclassified deque.Deque[waiting[T]]
	peeked       int                   // unclassified requests taken since the last classified one
	sources      map[string]*source[T] // with requests waiting
	classified   int                   // requests waiting in sources
	rotation     roundRobin[T]
	lengths      byLength[T]
	closed       bool
}

type waiting[T any] struct {
	value     T
	arrival   time.Time
	connected time.Time // by when its client had connected; zero: unknown
}

// State says what to do with a request that leaves the queue.
type State int

// The states of an Item.
const (
	Unclassified State = iota // find its source, and Classify it
	Admitted                  // serve it
	Expired                   // shed it: it has waited too long
	Evicted                   // shed it: the queue is full, and its source is the heaviest
)

// Item is a request that leaves the queue.
type Item[T any] struct {
	Value T
	State State
}

// NewQueue returns an empty Queue.
func NewQueue[T any](cfg Config) *Queue[T] {
	q := &Queue[T]{cfg: cfg, sources: map[string]*source[T]{}, rotation: newRoundRobin[T]()}
	q.cond.L = &q.mu
	return q
}

// Add adds a request that arrives now. It never blocks: it returns false if the
// queue is full or closed.
func (q *Queue[T]) Add(value T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.unclassified.Len() >= q.cfg.Limit {
		return false
	}
	q.unclassified.PushBack(waiting[T]{value: value, arrival: q.cfg.Now()})
	q.cond.Signal()
	return true
}

// Take waits for the next request. It returns false once the Queue is closed.
func (q *Queue[T]) Take() (Item[T], bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.len() == 0 && !q.closed {
		q.cond.Wait()
	}
	if q.closed {
		return Item[T]{}, false
	}
	return q.next(), true
}

// Classify puts an Unclassified request back, into the queue of its source, and
// takes the next one, which can be the same. connected is a time by which the
// client had connected, zero if unknown. It counts only under pressure, because
// some clients are slow to send their credential and wait patiently after that.
func (q *Queue[T]) Classify(source string, value T, arrival, connected time.Time) Item[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(source, waiting[T]{value, arrival, connected})
	return q.next()
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
	if q.unclassified.Len() > 0 {
		oldest = now.Sub(q.unclassified.Front().arrival)
	}
	for _, s := range q.sources {
		oldest = max(oldest, now.Sub(s.waiting.Front().arrival))
	}
	return oldest
}

// Close makes every Take return false, and returns how many requests were
// waiting.
func (q *Queue[T]) Close() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.cond.Broadcast()
	return q.len()
}

func (q *Queue[T]) len() int { return q.unclassified.Len() + q.classified }

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
	q.lengths.increased(s)
	q.classified++
}

// next takes a request; one must be waiting. Unclassified requests are taken
// first, because their source is not known yet. If too many classified requests
// wait, one of the heaviest source is evicted.
func (q *Queue[T]) next() Item[T] {
	done := q.cfg.Now() // when the answer of the request has been processed
	if q.cfg.Delay != nil {
		done = done.Add(min(q.cfg.Delay(), q.cfg.maxDelay()))
	}
	switch {
	case q.classified > q.cfg.Limit:
		w := q.pop(q.lengths.heaviest(), false)
		return Item[T]{w.value, q.orExpired(Evicted, w.arrival, done)}
	case q.unclassified.Len() > 0 && (q.classified == 0 || q.peeked < peekLimit):
		q.peeked++
		w := q.unclassified.PopFront()
		return Item[T]{w.value, q.orExpired(Unclassified, w.arrival, done)}
	default:
		q.peeked = 0
		s := q.rotation.first()
		q.rotation.remove(s)
		q.rotation.push(s)
		return q.serve(s, done)
	}
}

// orExpired returns state, or Expired for a request that will be too old.
func (q *Queue[T]) orExpired(state State, since, done time.Time) State {
	if done.Sub(since) >= q.cfg.MaxAge {
		return Expired
	}
	return state
}

// serve takes the next request of s. Expired requests come first in every order.
func (q *Queue[T]) serve(s *source[T], done time.Time) Item[T] {
	age := done.Sub(s.waiting.Front().arrival)
	pressure := age >= q.cfg.pressureThreshold()
	newest := age < q.cfg.MaxAge && (q.cfg.Order == NewestFirst || q.cfg.Order == Adaptive && pressure)
	w := q.pop(s, newest)
	since := w.arrival
	if pressure && !w.connected.IsZero() {
		since = w.connected
	}
	return Item[T]{w.value, q.orExpired(Admitted, since, done)}
}

// pop removes the newest or the oldest request of s, and s itself with its last.
func (q *Queue[T]) pop(s *source[T], newest bool) waiting[T] {
	q.classified--
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
