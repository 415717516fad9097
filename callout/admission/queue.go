package admission

import (
	"sync"
	"time"

	"github.com/gammazero/deque"
)

// Order is which request of one source is taken first.
type Order string

// The orders. docs/explanation/storms.md has the measurement that chose the default.
const (
	OldestFirst Order = "oldest_first"
	NewestFirst Order = "newest_first"
	// Adaptive takes the oldest first, and under pressure the newest: its client
	// has the most patience left.
	Adaptive Order = "adaptive"
)

// Orders lists the orders.
func Orders() []Order { return []Order{Adaptive, OldestFirst, NewestFirst} }

// calm is the share of the age that the oldest of a source may reach. Above that,
// the source is under pressure.
const calm = 3

// aheadShare is the share of the age that may be taken for the way ahead: if that
// seems to take all of it, some have to go there still, or nobody finds out when
// it is over.
const aheadShare = 2

// Config describes a Queue. All fields but Ahead are needed.
type Config struct {
	Limit int           // how many may wait
	Age   time.Duration // how old one may be when it is through, the way ahead included
	Order Order
	Ahead func() time.Duration // how long the way ahead takes, once it was one's turn; nil: no time
	Now   func() time.Time
}

// looks is how many are looked at, at most, before there is a turn. Looking costs
// a tenth of the work; if more comes than can be looked at, work goes on.
const looks = 8

// Queue holds what waits. What has just come is in no source yet, because its
// source is not known before somebody has looked; whoever takes it looks, and
// hands it back with Exchange. Then the sources have turns, one each.
//
// Its lock is held for a few steps at a time, as a channel's would be, however
// many wait. Safe for concurrent use.
type Queue[T any] struct {
	cfg Config

	mu      sync.Mutex
	came    sync.Cond
	fresh   deque.Deque[waiting[T]]
	looked  int                   // of fresh, since the last turn
	sources map[string]*source[T] // that have something waiting
	sorted  int                   // how many wait in them
	turns   ring[T]
	crowd   crowd[T]
	closed  bool
}

type waiting[T any] struct {
	value   T
	arrival time.Time
	since   time.Time // when it began to wait somewhere, at the latest; zero: at arrival
}

// State is in what way something leaves the queue.
type State int

// The states of a Turn.
const (
	Fresh State = iota // its source is not known: look, and Exchange it
	Next               // it is its turn
	Late               // it has waited too long: shed it
	Full               // too many wait, and of its source the most: shed it
)

// Turn is what a worker is to do.
type Turn[T any] struct {
	Value T
	State State
}

// NewQueue returns an empty Queue.
func NewQueue[T any](cfg Config) *Queue[T] {
	q := &Queue[T]{cfg: cfg, sources: map[string]*source[T]{}, turns: newRing[T]()}
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
	q.fresh.PushBack(waiting[T]{value: value, arrival: q.cfg.Now()})
	q.came.Signal()
	return true
}

// Take waits for the next turn. It returns false once the Queue is closed.
func (q *Queue[T]) Take() (Turn[T], bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.held() == 0 && !q.closed {
		q.came.Wait()
	}
	if q.closed {
		return Turn[T]{}, false
	}
	return q.next(), true
}

// Exchange puts value, which was Fresh and arrived at arrival, into the queue of
// its source, and returns the next turn: its own, if nothing else waits. since is
// when whoever sent it had begun to wait, as far as that is known; it counts
// under pressure only, because some are slow to ask and patient after that.
func (q *Queue[T]) Exchange(name string, value T, arrival, since time.Time) Turn[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(name, waiting[T]{value, arrival, since})
	return q.next()
}

// Held returns how many wait.
func (q *Queue[T]) Held() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held()
}

// Oldest returns how long the one that has waited longest has.
func (q *Queue[T]) Oldest() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, oldest := q.cfg.Now(), time.Duration(0)
	if q.fresh.Len() > 0 {
		oldest = now.Sub(q.fresh.Front().arrival)
	}
	for _, s := range q.sources {
		oldest = max(oldest, now.Sub(s.waiting.Front().arrival))
	}
	return oldest
}

// Close ends the waiting of all who Take, and returns how many still waited.
func (q *Queue[T]) Close() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.came.Broadcast()
	return q.held()
}

func (q *Queue[T]) held() int { return q.fresh.Len() + q.sorted }

// put lets w wait in its source, which is new if nothing else of it waits.
func (q *Queue[T]) put(name string, w waiting[T]) {
	s := q.sources[name]
	if s == nil {
		s = q.crowd.spare()
		s.name = name
		q.sources[name] = s
		q.turns.push(s)
	}
	s.waiting.PushBack(w)
	q.crowd.grew(s)
	q.sorted++
}

// next returns a turn; something waits. What has just come goes first: before
// somebody has looked, nobody knows whose turn it is. If more are sorted than may
// wait, who has the most pays, so those who wait with less do not.
func (q *Queue[T]) next() Turn[T] {
	// Whatever has its turn now is through then.
	through := q.cfg.Now()
	if q.cfg.Ahead != nil {
		through = through.Add(min(q.cfg.Ahead(), q.cfg.Age/aheadShare))
	}
	switch {
	case q.sorted > q.cfg.Limit:
		w := q.leave(q.crowd.most(), false)
		return Turn[T]{w.value, q.late(w.arrival, through, Full)}
	case q.fresh.Len() > 0 && (q.sorted == 0 || q.looked < looks):
		q.looked++
		w := q.fresh.PopFront()
		return Turn[T]{w.value, q.late(w.arrival, through, Fresh)}
	default:
		q.looked = 0
		s := q.turns.first()
		q.turns.remove(s)
		q.turns.push(s)
		return q.pick(s, through)
	}
}

// late returns what becomes of something that waits since then: it is Late if it
// will be too old, and otherwise what it is.
func (q *Queue[T]) late(since, through time.Time, otherwise State) State {
	if through.Sub(since) >= q.cfg.Age {
		return Late
	}
	return otherwise
}

// pick gives s a turn. What is late leaves first, whatever the order.
func (q *Queue[T]) pick(s *source[T], through time.Time) Turn[T] {
	age := through.Sub(s.waiting.Front().arrival)
	pressure := age >= q.cfg.Age/calm
	newest := age < q.cfg.Age && (q.cfg.Order == NewestFirst || q.cfg.Order == Adaptive && pressure)
	w := q.leave(s, newest)
	since := w.arrival
	if pressure && !w.since.IsZero() {
		since = w.since
	}
	return Turn[T]{w.value, q.late(since, through, Next)}
}

// leave takes the newest or the oldest out of s, which is forgotten with the
// last of it.
func (q *Queue[T]) leave(s *source[T], newest bool) waiting[T] {
	q.sorted--
	var w waiting[T]
	if newest {
		w = s.waiting.PopBack()
	} else {
		w = s.waiting.PopFront()
	}
	q.crowd.shrank(s)
	if s.waiting.Len() == 0 {
		q.turns.remove(s)
		delete(q.sources, s.name)
		s.name = ""
	}
	return w
}
