package simulation

import (
	"math/rand/v2"
	"time"
)

// world is the virtual time of one simulation, and what happens in it.
type world struct {
	now    time.Duration
	events events
	random *rand.Rand
}

func newWorld(seed uint64) *world { return &world{random: rand.New(rand.NewPCG(seed, 12))} }

// Now returns the virtual time, for the code under test.
func (w *world) Now() time.Time { return time.Unix(1_800_000_000, int64(w.now)) }

// after calls do once d has passed.
func (w *world) after(d time.Duration, do func()) {
	w.events.push(event{at: w.now + d, do: do})
}

// run runs until nothing is left to happen, until the end, or until done.
func (w *world) run(end time.Duration, done func() bool) {
	for len(w.events.order) > 0 && w.now < end && !done() {
		e := w.events.pop()
		w.now = e.at
		e.do()
	}
}

// between returns a random duration.
func (w *world) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.random.Float64()*float64(high-low))
}

type event struct {
	at     time.Duration
	number int // events of the same time happen in their order
	do     func()
}

// before reports whether e happens before f.
func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.number < f.number
}

// events is a binary heap. (That of container/heap allocates for each event.)
type events struct {
	order  []event
	pushed int
}

func (q *events) push(e event) {
	e.number = q.pushed
	q.pushed++
	q.order = append(q.order, e)
	for i := len(q.order) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.order[i].before(&q.order[parent]) {
			return
		}
		q.order[i], q.order[parent] = q.order[parent], q.order[i]
		i = parent
	}
}

func (q *events) pop() event {
	first, last := q.order[0], len(q.order)-1
	q.order[0] = q.order[last]
	q.order[last] = event{}
	q.order = q.order[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if q.order[child].before(&q.order[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		q.order[i], q.order[least] = q.order[least], q.order[i]
		i = least
	}
}
