package admission

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clock is a clock that only a test moves.
type clock struct{ elapsed atomic.Int64 }

func (c *clock) Now() time.Time { return time.Unix(1_800_000_000, c.elapsed.Load()) }

func (c *clock) move(d time.Duration) { c.elapsed.Add(int64(d)) }

const (
	patience = 2 * time.Second
	limit    = 2200 * time.Millisecond // age at which an answer is too late
)

// testQueue is a Queue of strings. The source of a value is its first letter, and a
// value that begins with "!" is refused.
type testQueue struct {
	*Queue[string]
	t         *testing.T
	clock     *clock
	connected map[string]time.Time
	opened    []string // by Open
}

func newTestQueue(t *testing.T, size int, order Order) *testQueue {
	t.Helper()
	q := &testQueue{t: t, clock: &clock{}, connected: map[string]time.Time{}}
	q.Queue = NewQueue(Config[string]{Limit: size, Patience: patience, Order: order, Now: q.clock.Now, Open: func(v string) (Source, bool) {
		q.opened = append(q.opened, v)
		return Source{v[:1], q.connected[v]}, v[0] != '!'
	}})
	return q
}

// add adds values that arrive now.
func (q *testQueue) add(values ...string) {
	q.t.Helper()
	for _, v := range values {
		if !q.Add(v, q.clock.Now()) {
			q.t.Fatalf("%s was not added", v)
		}
	}
}

// addOpened adds values to the queues of their sources.
func (q *testQueue) addOpened(values ...string) {
	for _, v := range values {
		q.push(v[:1], waiting[string]{value: v, arrival: q.clock.Now()})
	}
}

// addMany adds opened values of one source, which end in their numbers.
func (q *testQueue) addMany(source string, n int) {
	for i := range n {
		q.addOpened(source + strconv.Itoa(i))
	}
}

// setRate makes the queue know that it has admitted that many requests a second.
func (q *testQueue) setRate(perSecond float64) {
	q.rate = throughput{admitted: perSecond, busy: 1, last: q.clock.Now()}
}

// expect takes the values in this order, all in one state.
func (q *testQueue) expect(state State, values ...string) {
	q.t.Helper()
	for _, v := range values {
		got, ok := q.Next()
		if !ok || got != (Item[string]{v, state}) {
			q.t.Errorf("%+v, %v, want %s in state %d", got, ok, v, state)
		}
	}
}

func (q *testQueue) expectEmpty() {
	q.t.Helper()
	if item, ok := q.Next(); ok || q.Len() != 0 || len(q.sources) != 0 || q.rotation.first() != q.rotation.end {
		q.t.Errorf("%+v, %d requests of %d sources wait", item, q.Len(), len(q.sources))
	}
}

// Sources are served round robin, in the order in which they arrived.
func TestRoundRobin(t *testing.T) {
	q := newTestQueue(t, 100, OldestFirst)
	q.addOpened("a1", "a2", "a3", "a4", "b1", "c1", "c2")
	q.expect(Admitted, "a1", "b1", "c1")
	q.addOpened("d1", "b2") // the queue of b was empty, so b is last
	q.expect(Admitted, "a2", "c2", "d1", "b2", "a3", "a4")
	q.expectEmpty()
}

// However many requests of other sources wait, a new source waits for at most one
// request of each.
func TestRoundRobinWithHeavySources(t *testing.T) {
	for _, order := range Orders() {
		q := newTestQueue(t, 30_000, order)
		for i := range 10_000 {
			q.addOpened(fmt.Sprint("a", i), fmt.Sprint("b", i))
		}
		var served string
		for range 6 {
			item, _ := q.Next()
			served += item.Value[:1]
			if len(served) == 3 {
				q.addOpened("c1")
			}
		}
		if served != "ababac" {
			t.Errorf("%s: %s", order, served)
		}
	}
}

// Requests are opened before opened ones leave, because their source is not known
// yet. A refused request leaves at once.
func TestOpen(t *testing.T) {
	q := newTestQueue(t, 10, OldestFirst)
	q.add("a1", "a2", "b1", "!1", "c1", "a3")
	q.expect(Refused, "!1")
	if !slices.Equal(q.opened, []string{"a1", "a2", "b1", "!1"}) {
		t.Errorf("opened %v", q.opened)
	}
	q.expect(Admitted, "a1", "b1", "c1", "a2", "a3")
	q.add("c2")
	q.expect(Admitted, "c2")
	q.expectEmpty()
}

// Requests are served even if more arrive than can be opened.
func TestPeekLimit(t *testing.T) {
	q := newTestQueue(t, 100, OldestFirst)
	admitted := 0
	for n := 0; n < 5000; {
		for q.Add("a", q.clock.Now()) {
			n++
		}
		if item, _ := q.Next(); item.State == Admitted {
			admitted++
		}
	}
	if want := len(q.opened) / openLimit; admitted < want {
		t.Errorf("%d opened and %d admitted, want %d", len(q.opened), admitted, want)
	}
}

// Open may use the queue: it runs without the lock.
func TestOpenWithoutLock(t *testing.T) {
	var q *Queue[int]
	q = NewQueue(Config[int]{Limit: 10, Patience: patience, Order: Adaptive, Now: time.Now, Open: func(v int) (Source, bool) {
		return Source{Name: strconv.Itoa(q.Len())}, v == 0 || q.Add(v-1, time.Now())
	}})
	q.Add(3, time.Now())
	for want := 3; want >= 0; want-- {
		if item, ok := q.Next(); !ok || item != (Item[int]{want, Admitted}) {
			t.Errorf("%+v, %v, want %d", item, ok, want)
		}
	}
}

func TestExpired(t *testing.T) {
	for _, order := range Orders() {
		t.Run(string(order), func(t *testing.T) {
			q := newTestQueue(t, 10, order)
			q.addOpened("a1", "b1")
			q.add("a2")
			q.clock.move(limit - 1)
			q.addOpened("a3")
			q.add("b2")
			q.clock.move(1)
			q.expect(Expired, "a2", "a1", "b1")
			if !slices.Equal(q.opened, []string{"b2"}) {
				t.Errorf("opened %v", q.opened)
			}
			q.expect(Admitted, "a3", "b2")
			q.expectEmpty()
		})
	}
}

// Requests can be opened slightly out of order. Only the one that has waited too long
// expires.
func TestExpiredOutOfOrder(t *testing.T) {
	q := newTestQueue(t, 10, NewestFirst)
	start := q.clock.Now()
	q.push("a", waiting[string]{value: "a2", arrival: start.Add(1)})
	q.push("a", waiting[string]{value: "a1", arrival: start})
	q.clock.move(limit)
	q.expect(Expired, "a1")
	q.expect(Admitted, "a2")
}

// The limit also holds for requests that have not been opened.
func TestAddToFullQueue(t *testing.T) {
	q := newTestQueue(t, 3, OldestFirst)
	q.addOpened("a1", "a2", "a3")
	for i := range 4 {
		if ok := q.Add(fmt.Sprint("b", i), q.clock.Now()); ok != (i < 3) {
			t.Errorf("%d: %v", i, ok)
		}
	}
	if q.Len() != 6 {
		t.Errorf("%d requests wait", q.Len())
	}
}

// A full queue evicts the oldest request of the heaviest source.
func TestEvicted(t *testing.T) {
	tests := []struct {
		name    string
		waiting string // sources of the requests; the last one exceeds the limit
		want    string // sources that may lose a request
	}{
		{"one source", "aaaa", "a"},
		{"the heaviest source, for another", "aaab", "a"},
		{"the heaviest source, for itself", "baaa", "a"},
		{"the heaviest of three", "aabbbc", "b"},
		{"one of two that are equally heavy", "aabbc", "ab"},
		{"any, if all are equal", "abcd", "abcd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newTestQueue(t, len(tt.waiting)-1, NewestFirst)
			number := map[rune]int{}
			for _, source := range tt.waiting {
				number[source]++
				q.addOpened(fmt.Sprint(string(source), number[source]))
			}
			got, _ := q.Next()
			if got.State != Evicted || !strings.Contains(tt.want, got.Value[:1]) || got.Value[1:] != "1" {
				t.Errorf("%+v, want the first of %s", got, tt.want)
			}
			if got, _ := q.Next(); got.State != Admitted {
				t.Errorf("then %+v", got)
			}
		})
	}
}

// Sources without waiting requests do not count, however many there were.
func TestEvictedAfterManySources(t *testing.T) {
	const limit = 100
	q := newTestQueue(t, limit, OldestFirst)
	for i := range limit {
		q.push(strconv.Itoa(i), waiting[string]{value: "v", arrival: q.clock.Now()})
	}
	for range limit {
		q.Next()
	}
	q.addOpened("b1", "c1", "d1", "e1")
	for i := range limit {
		q.addOpened(fmt.Sprint("a", i))
	}
	q.expect(Evicted, "a0", "a1", "a2", "a3")
	q.expect(Admitted, "b1", "c1", "d1", "e1", "a4")
}

func TestClose(t *testing.T) {
	q := newTestQueue(t, 10, OldestFirst)
	results := make(chan bool)
	for range 3 {
		go func() { results <- q.Wait() }()
	}
	if n := q.Close(); n != 0 {
		t.Errorf("%d requests were waiting", n)
	}
	for range 3 {
		if <-results {
			t.Error("a request waits in an empty queue")
		}
	}
	if q.Add("a1", q.clock.Now()) {
		t.Error("added to a closed queue")
	}

	q = newTestQueue(t, 10, OldestFirst)
	q.addOpened("a1", "b1")
	q.add("a2")
	if !q.Wait() {
		t.Error("no request waits")
	}
	if n := q.Close(); n != 3 || q.Len() != 0 {
		t.Errorf("%d requests were waiting, %d are now", n, q.Len())
	}
	if q.Wait() {
		t.Error("a closed queue has a request")
	}
	q.expectEmpty()
	if n := q.Close(); n != 0 {
		t.Errorf("%d requests are dropped twice", n)
	}
}

// A request leaves the queue or is dropped by Close, and never both.
func TestCloseWhileOpening(t *testing.T) {
	var q *Queue[int]
	dropped := 0
	q = NewQueue(Config[int]{Limit: 10, Patience: time.Hour, Order: Adaptive, Now: time.Now, Open: func(int) (Source, bool) {
		dropped += q.Close()
		return Source{Name: "a"}, true
	}})
	const n = 4
	for v := range n {
		q.Add(v, time.Now())
	}
	left := 0
	for _, ok := q.Next(); ok; _, ok = q.Next() {
		left++
	}
	if left != 1 || dropped != n-1 {
		t.Errorf("%d left and %d were dropped, of %d", left, dropped, n)
	}
}

// Wait returns once a request waits, also if another goroutine has just opened it.
func TestWait(t *testing.T) {
	opening, proceed := make(chan struct{}), make(chan struct{})
	q := NewQueue(Config[int]{Limit: 10, Patience: time.Hour, Order: Adaptive, Now: time.Now, Open: func(v int) (Source, bool) {
		if v == 1 {
			opening <- struct{}{}
			<-proceed
		}
		return Source{Name: "a"}, true
	}})
	q.Add(0, time.Now())
	q.Add(1, time.Now())
	first, waited := make(chan Item[int]), make(chan bool)
	go func() {
		item, _ := q.Next()
		first <- item
	}()
	<-opening // 0 has been opened, so that it waits, and 1 has not
	second, _ := q.Next()
	go func() { waited <- q.Wait() }() // for 1
	q.Add(2, time.Now())
	close(proceed)
	items := []Item[int]{second, <-first}
	if !<-waited {
		t.Error("closed")
	}
	third, ok := q.Next()
	if items = append(items, third); !ok || !slices.Equal(items, []Item[int]{{0, Admitted}, {1, Admitted}, {2, Admitted}}) {
		t.Errorf("%v", items)
	}
}

// A source without waiting requests takes no memory.
func TestSourcesAreRemoved(t *testing.T) {
	const limit = 64
	q := newTestQueue(t, limit, OldestFirst)
	var count [Refused + 1]int
	for i := range 1_000_000 {
		name := strconv.Itoa(i)
		switch {
		case i < limit, i%10 == 0:
			q.push(name, waiting[string]{value: name, arrival: q.clock.Now()})
		case i%10 == 5:
			item, _ := q.Next()
			count[item.State]++
		default:
			q.push(name, waiting[string]{value: name, arrival: q.clock.Now()})
			item, _ := q.Next()
			count[item.State]++
		}
	}
	if count[Evicted] < 100_000 || count[Admitted] < 100_000 {
		t.Errorf("states %v", count)
	}
	for q.Len() > 0 {
		q.Next()
	}
	q.expectEmpty()
	if n := len(q.lengths.order); n > limit+2 {
		t.Errorf("%d sources", n)
	}
	for _, s := range q.lengths.order {
		if s.name != "" || s.waiting.Cap() > limit {
			t.Errorf("source %q has a queue of capacity %d", s.name, s.waiting.Cap())
		}
	}
}

// Every value leaves the queue exactly once.
func TestConcurrency(t *testing.T) {
	for _, size := range []int{8, 1 << 20} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			const each, arrivals, workers = 4000, 4, 4
			q := NewQueue(Config[int]{Limit: size, Patience: time.Hour, Order: Adaptive, Now: time.Now, Open: func(v int) (Source, bool) {
				return Source{Name: strconv.Itoa(v % 13)}, v%7 != 0
			}})
			var seen [each * arrivals]atomic.Int32
			var consumers, producers sync.WaitGroup
			var remaining atomic.Int32
			remaining.Store(int32(len(seen)))
			left := func(v int) {
				seen[v].Add(1)
				if remaining.Add(-1) == 0 {
					q.Close()
				}
			}
			for range workers {
				consumers.Go(func() {
					for q.Wait() {
						if item, ok := q.Next(); ok {
							left(item.Value)
						}
					}
				})
			}
			for a := range arrivals {
				producers.Go(func() {
					for i := range each {
						if v := a*each + i; !q.Add(v, time.Now()) {
							left(v)
						}
					}
				})
			}
			producers.Wait()
			consumers.Wait()
			for v := range seen {
				if n := seen[v].Load(); n != 1 {
					t.Fatalf("%d left the queue %d times", v, n)
				}
			}
			if q.Len() != 0 {
				t.Errorf("%d requests wait", q.Len())
			}
		})
	}
}
