package admission

import (
	"fmt"
	"maps"
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

const maxAge = 900 * time.Millisecond

// testQueue is a Queue of strings. The source of a value is its first letter.
type testQueue struct {
	*Queue[string]
	t     *testing.T
	clock *clock
}

func newTestQueue(t *testing.T, limit int, order Order) *testQueue {
	t.Helper()
	c := &clock{}
	return &testQueue{NewQueue[string](Config{Limit: limit, MaxAge: maxAge, Order: order, Now: c.Now}), t, c}
}

// addClassified adds values to the queues of their sources.
func (q *testQueue) addClassified(values ...string) {
	for _, v := range values {
		q.push(v[:1], waiting[string]{value: v, arrival: q.clock.Now()})
	}
}

// expect takes the values in this order, all in one state.
func (q *testQueue) expect(state State, values ...string) {
	q.t.Helper()
	for _, v := range values {
		got, ok := q.Take()
		if !ok || got != (Item[string]{v, state}) {
			q.t.Errorf("%+v, %v, want %s in state %d", got, ok, v, state)
		}
	}
}

func (q *testQueue) expectEmpty() {
	q.t.Helper()
	if q.Len() != 0 || len(q.sources) != 0 || q.rotation.first() != q.rotation.end {
		q.t.Errorf("%d requests of %d sources wait", q.Len(), len(q.sources))
	}
}

func TestOrder(t *testing.T) {
	oldest, newest := []string{"a1", "a2", "a3"}, []string{"a3", "a2", "a1"}
	tests := []struct {
		name  string
		order Order
		wait  time.Duration
		want  []string
	}{
		{"oldest first", OldestFirst, 0, oldest},
		{"oldest first, under pressure", OldestFirst, maxAge - 1, oldest},
		{"newest first", NewestFirst, 0, newest},
		{"newest first, under pressure", NewestFirst, maxAge - 1, newest},
		{"adaptive", Adaptive, 0, oldest},
		{"adaptive, below the pressure threshold", Adaptive, maxAge/3 - 1, oldest},
		{"adaptive, under pressure", Adaptive, maxAge / 3, newest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newTestQueue(t, 10, tt.order)
			q.addClassified("a1", "a2", "a3")
			q.clock.move(tt.wait)
			q.expect(Admitted, tt.want...)
			q.expectEmpty()
		})
	}
}

// Adaptive serves the oldest first again once the pressure is over.
func TestAdaptiveRecovers(t *testing.T) {
	q := newTestQueue(t, 10, Adaptive)
	q.addClassified("a1", "a2")
	q.clock.move(maxAge / 2)
	q.addClassified("a3", "a4")
	q.expect(Admitted, "a4", "a3", "a2", "a1")
	q.addClassified("a5", "a6")
	q.expect(Admitted, "a5", "a6")
}

// The pressure of one source does not change the order of another.
func TestAdaptivePerSource(t *testing.T) {
	q := newTestQueue(t, 10, Adaptive)
	q.addClassified("a1")
	q.clock.move(maxAge / 2)
	q.addClassified("a2", "b1", "b2")
	q.expect(Admitted, "a2", "b1", "a1", "b2")
}

// Sources are served round robin, in the order in which they arrived.
func TestRoundRobin(t *testing.T) {
	q := newTestQueue(t, 100, OldestFirst)
	q.addClassified("a1", "a2", "a3", "a4", "b1", "c1", "c2")
	q.expect(Admitted, "a1", "b1", "c1")
	q.addClassified("d1", "b2") // the queue of b was empty, so b is last
	q.expect(Admitted, "a2", "c2", "d1", "b2", "a3", "a4")
	q.expectEmpty()
}

// However many requests of other sources wait, a new source waits for at most one
// request of each.
func TestRoundRobinWithHeavySources(t *testing.T) {
	for _, order := range Orders() {
		q := newTestQueue(t, 30_000, order)
		for i := range 10_000 {
			q.addClassified(fmt.Sprint("a", i), fmt.Sprint("b", i))
		}
		var served string
		for range 6 {
			item, _ := q.Take()
			served += item.Value[:1]
			if len(served) == 3 {
				q.addClassified("c1")
			}
		}
		if served != "ababac" {
			t.Errorf("%s: %s", order, served)
		}
	}
}

// Unclassified requests are taken before classified ones, and Classify returns the
// next request.
func TestClassify(t *testing.T) {
	q := newTestQueue(t, 10, OldestFirst)
	q.addClassified("a1")
	for _, v := range []string{"b1", "a2"} {
		if !q.Add(v) {
			t.Fatal(v)
		}
	}
	q.expect(Unclassified, "b1")
	if item := q.Classify("b", "b1", q.clock.Now(), q.clock.Now()); item != (Item[string]{"a2", Unclassified}) {
		t.Errorf("%+v", item)
	}
	if item := q.Classify("a", "a2", q.clock.Now(), q.clock.Now()); item != (Item[string]{"a1", Admitted}) {
		t.Errorf("%+v", item)
	}
	q.expect(Admitted, "b1", "a2")
	q.expectEmpty()
	if item := q.Classify("c", "c1", q.clock.Now(), q.clock.Now()); item != (Item[string]{"c1", Admitted}) {
		t.Errorf("the only request is not next: %+v", item)
	}
	q.expectEmpty()
}

// Requests are served even if more arrive than can be classified.
func TestPeekLimit(t *testing.T) {
	q := newTestQueue(t, 100, OldestFirst)
	count := map[State]int{}
	for n := 0; n < 5000; {
		for q.Add(fmt.Sprint("a", n)) {
			n++
		}
		item, _ := q.Take()
		for item.State == Unclassified {
			count[Unclassified]++
			q.Add(fmt.Sprint("a", n))
			n++
			item = q.Classify("a", item.Value, q.clock.Now(), q.clock.Now())
		}
		count[item.State]++
	}
	if got, want := count[Admitted], count[Unclassified]/peekLimit; got < want {
		t.Errorf("%d classified and %d admitted, want %d", count[Unclassified], got, want)
	}
}

func TestExpired(t *testing.T) {
	for _, order := range Orders() {
		t.Run(string(order), func(t *testing.T) {
			q := newTestQueue(t, 10, order)
			q.addClassified("a1", "b1")
			q.Add("a2")
			q.clock.move(maxAge - 1)
			q.addClassified("a3")
			q.Add("b2")
			q.clock.move(1)
			q.expect(Expired, "a2") // before it is classified
			q.expect(Unclassified, "b2")
			q.expect(Expired, "a1", "b1")
			q.expect(Admitted, "a3")
			q.expectEmpty()
		})
	}
}

// Concurrent workers can classify requests slightly out of order. Only the request
// that has waited too long expires.
func TestExpiredOutOfOrder(t *testing.T) {
	q := newTestQueue(t, 10, NewestFirst)
	start := q.clock.Now()
	q.push("a", waiting[string]{value: "a2", arrival: start.Add(1)})
	q.push("a", waiting[string]{value: "a1", arrival: start})
	q.clock.move(maxAge)
	q.expect(Expired, "a1")
	q.expect(Admitted, "a2")
}

// The limit also holds for unclassified requests.
func TestAddToFullQueue(t *testing.T) {
	q := newTestQueue(t, 3, OldestFirst)
	q.addClassified("a1", "a2", "a3")
	for i := range 4 {
		if ok := q.Add(fmt.Sprint("b", i)); ok != (i < 3) {
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
				q.addClassified(fmt.Sprint(string(source), number[source]))
			}
			got, _ := q.Take()
			if got.State != Evicted || !strings.Contains(tt.want, got.Value[:1]) || got.Value[1:] != "1" {
				t.Errorf("%+v, want the first of %s", got, tt.want)
			}
			if got, _ := q.Take(); got.State != Admitted {
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
		q.Take()
	}
	q.addClassified("b1", "c1", "d1", "e1")
	for i := range limit {
		q.addClassified(fmt.Sprint("a", i))
	}
	q.expect(Evicted, "a0", "a1", "a2", "a3")
	q.expect(Admitted, "b1", "c1", "d1", "e1", "a4")
}

func TestClose(t *testing.T) {
	q := newTestQueue(t, 10, OldestFirst)
	results := make(chan bool)
	for range 3 {
		go func() {
			_, ok := q.Take()
			results <- ok
		}()
	}
	if n := q.Close(); n != 0 {
		t.Errorf("%d requests were waiting", n)
	}
	for range 3 {
		if <-results {
			t.Error("took a request of an empty queue")
		}
	}
	if q.Add("a1") {
		t.Error("added to a closed queue")
	}

	q = newTestQueue(t, 10, OldestFirst)
	q.addClassified("a1", "b1")
	q.Add("a2")
	q.expect(Unclassified, "a2")
	if n := q.Close(); n != 2 || q.Len() != 2 {
		t.Errorf("%d requests were waiting, %d are now", n, q.Len())
	}
	if _, ok := q.Take(); ok {
		t.Error("took from a closed queue")
	}
	// A worker that classifies a request still gets the next.
	if item := q.Classify("a", "a2", q.clock.Now(), q.clock.Now()); item != (Item[string]{"a1", Admitted}) || q.Len() != 2 {
		t.Errorf("%+v, %d requests wait", item, q.Len())
	}
}

// A source without waiting requests takes no memory.
func TestSourcesAreRemoved(t *testing.T) {
	const limit = 64
	q := newTestQueue(t, limit, OldestFirst)
	var count [Evicted + 1]int
	for i := range 1_000_000 {
		name := strconv.Itoa(i)
		switch {
		case i < limit, i%10 == 0:
			q.push(name, waiting[string]{value: name, arrival: q.clock.Now()})
		case i%10 == 5:
			item, _ := q.Take()
			count[item.State]++
		default:
			count[q.Classify(name, name, q.clock.Now(), q.clock.Now()).State]++
		}
	}
	if count[Evicted] < 100_000 || count[Admitted] < 100_000 {
		t.Errorf("states %v", count)
	}
	for q.Len() > 0 {
		q.Take()
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
	for _, limit := range []int{8, 1 << 20} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			const each, arrivals, workers = 4000, 4, 4
			q := NewQueue[int](Config{Limit: limit, MaxAge: time.Hour, Order: Adaptive, Now: time.Now})
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
					for {
						item, ok := q.Take()
						for ok && item.State == Unclassified {
							if item.Value%7 == 0 { // refused before it is classified
								break
							}
							item = q.Classify(strconv.Itoa(item.Value%13), item.Value, time.Now(), time.Now())
						}
						if !ok {
							return
						}
						left(item.Value)
					}
				})
			}
			for a := range arrivals {
				producers.Go(func() {
					for i := range each {
						if v := a*each + i; !q.Add(v) {
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

// FuzzQueue does random steps, and compares each with a simple model, which searches
// all that waits at every step.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 1, 2, 2, 1, 1})
	f.Add([]byte{1, 1, 0, 0, 0, 0, 1, 2, 12, 22, 1, 1, 1})
	f.Add([]byte{2, 2, 0, 3, 3, 0, 1, 2, 1, 12, 1, 1})
	f.Add([]byte("0\x02" + strings.Repeat("\x00\x01\x02\x0c", 40)))
	f.Add([]byte("\x03\x01" + strings.Repeat("\x00\x00\x01\x02\x16", 40)))
	f.Add(slices.Repeat([]byte{0, 0, 1, 2, 12, 22, 32, 3}, 60))
	for _, order := range []byte{129, 130, 131} { // with a delay
		f.Add([]byte{5, order, 0, 1, 7, 159, 0, 1, 3, 4, 0, 3, 3, 3, 3, 0, 1, 4, 1, 7, 1})
		f.Add(append([]byte{5, order}, slices.Repeat([]byte{0, 0, 0, 1, 4, 14, 5, 39, 1, 6, 3, 49, 1, 79, 2}, 20)...))
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) < 2 {
			return
		}
		c := &clock{}
		var delay time.Duration
		cfg := Config{Limit: int(steps[0]%8) + 1, MaxAge: maxAge, Order: Orders()[steps[1]%3], Now: c.Now}
		if steps[1] > 127 {
			cfg.Delay = func() time.Duration { return delay }
		}
		m := &model{t: t, cfg: cfg, q: NewQueue[int](cfg), sources: map[string][]waiting[int]{}}
		for _, step := range steps[2:] {
			switch step % 10 {
			case 0:
				m.add()
			case 1:
				m.take()
			case 2, 4, 5, 6, 7:
				m.classify(string(rune('a'+step/10)), time.Duration(step%4)*maxAge/3)
			case 9:
				delay = time.Duration(step/10) * maxAge / 16
			default:
				c.move(time.Duration(step/10+1) * maxAge / 16)
			}
			m.check()
		}
		m.drain()
	})
}

// model is a simple implementation of Queue.
type model struct {
	t   *testing.T
	cfg Config
	q   *Queue[int]

	next         int            // value to add
	out          []int          // values that have left
	taken        []waiting[int] // Unclassified, and not yet classified
	unclassified []waiting[int]
	sources      map[string][]waiting[int]
	rotation     []string
	peeked       int
}

func (m *model) add() {
	w := waiting[int]{value: m.next, arrival: m.cfg.Now()}
	m.next++
	if ok := m.q.Add(w.value); ok != (len(m.unclassified) < m.cfg.Limit) {
		m.t.Fatalf("Add is %v with %d of %d", ok, len(m.unclassified), m.cfg.Limit)
	} else if !ok {
		m.out = append(m.out, w.value)
		return
	}
	m.unclassified = append(m.unclassified, w)
}

func (m *model) take() {
	if len(m.unclassified)+m.classified() == 0 {
		return // Take would block
	}
	item, ok := m.q.Take()
	if !ok {
		m.t.Fatal("closed")
	}
	m.expect(item)
}

// classify classifies the value that was taken first. before is how long before its
// arrival its client had connected; 0: unknown.
func (m *model) classify(source string, before time.Duration) {
	if len(m.taken) == 0 {
		return
	}
	w := m.taken[0]
	m.taken = m.taken[1:]
	if before > 0 {
		w.connected = w.arrival.Add(-before)
	}
	if len(m.sources[source]) == 0 {
		m.rotation = append(m.rotation, source)
	}
	m.sources[source] = append(m.sources[source], w)
	m.expect(m.q.Classify(source, w.value, w.arrival, w.connected))
}

func (m *model) classified() (n int) {
	for _, s := range m.sources {
		n += len(s)
	}
	return n
}

// expect compares with the next item of the model, and removes that.
func (m *model) expect(got Item[int]) {
	m.t.Helper()
	done := m.cfg.Now()
	if m.cfg.Delay != nil {
		done = done.Add(min(m.cfg.Delay(), maxAge/2))
	}
	want := Admitted
	var w waiting[int]
	var since time.Time
	switch n := m.classified(); {
	case n > m.cfg.Limit:
		want = Evicted
		heaviest := m.heaviest(got.Value)
		w = m.sources[heaviest][0]
		m.remove(heaviest, 0)
	case len(m.unclassified) > 0 && (n == 0 || m.peeked < peekLimit):
		want = Unclassified
		m.peeked++
		w, m.unclassified = m.unclassified[0], m.unclassified[1:]
	default:
		m.peeked = 0
		s := m.rotation[0]
		m.rotation = append(m.rotation[1:], s)
		at, oldest := 0, done.Sub(m.sources[s][0].arrival)
		if oldest < maxAge && (m.cfg.Order == NewestFirst || m.cfg.Order == Adaptive && oldest >= maxAge/3) {
			at = len(m.sources[s]) - 1
		}
		w = m.sources[s][at]
		m.remove(s, at)
		if oldest >= maxAge/3 {
			since = w.connected
		}
	}
	if since.IsZero() {
		since = w.arrival
	}
	if done.Sub(since) >= maxAge {
		want = Expired
	}
	if got != (Item[int]{w.value, want}) {
		m.t.Fatalf("%+v, want %d in state %d", got, w.value, want)
	}
	if want == Unclassified {
		m.taken = append(m.taken, w)
		return
	}
	m.out = append(m.out, w.value)
}

// heaviest returns the source whose oldest value this is. It must be one of the
// heaviest.
func (m *model) heaviest(value int) string {
	longest := 0
	for _, s := range m.sources {
		longest = max(longest, len(s))
	}
	for name, s := range m.sources {
		if len(s) == longest && s[0].value == value {
			return name
		}
	}
	m.t.Fatalf("evicted %d, which is not the oldest of a source with %d", value, longest)
	return ""
}

func (m *model) remove(source string, at int) {
	m.sources[source] = slices.Delete(m.sources[source], at, at+1)
	if len(m.sources[source]) == 0 {
		delete(m.sources, source)
		m.rotation = slices.DeleteFunc(m.rotation, func(s string) bool { return s == source })
	}
}

// check compares the state of the Queue with the model.
func (m *model) check() {
	m.t.Helper()
	n := m.classified()
	if n > m.cfg.Limit || m.q.classified != n || m.q.Len() != n+len(m.unclassified) {
		m.t.Fatalf("%d classified, %d in all; want %d and %d unclassified, at most %d", m.q.classified, m.q.Len(), n, len(m.unclassified), m.cfg.Limit)
	}
	names := slices.Sorted(maps.Keys(m.q.sources))
	if !slices.Equal(names, slices.Sorted(maps.Keys(m.sources))) {
		m.t.Fatalf("sources %v, want %v", names, m.sources)
	}
	order := m.q.lengths.order
	for i, s := range order {
		if s.index != i || i > 0 && s.waiting.Len() > order[i-1].waiting.Len() {
			m.t.Fatalf("source %d by length has index %d, and %d waiting", i, s.index, s.waiting.Len())
		}
	}
	if len(order) > m.cfg.Limit+1 {
		m.t.Fatalf("%d sources", len(order))
	}
}

// drain takes everything, and checks that every value has left once.
func (m *model) drain() {
	for len(m.unclassified)+m.classified()+len(m.taken) > 0 {
		m.classify("z", 0)
		m.take()
		m.check()
	}
	slices.Sort(m.out)
	for i, v := range m.out {
		if i != v {
			m.t.Fatalf("value %d is number %d of the values that left", v, i)
		}
	}
	if len(m.out) != m.next {
		m.t.Fatalf("%d values entered, %d left", m.next, len(m.out))
	}
}
