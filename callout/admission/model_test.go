package admission

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzQueue does random steps, and compares each with a simple model, which searches
// all that waits at every step.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 1, 1, 1})
	f.Add([]byte{1, 1, 0, 0, 0, 0, 1, 10, 20, 1, 1, 1})
	f.Add([]byte{2, 2, 0, 3, 3, 0, 1, 1, 10, 1, 1})
	f.Add([]byte("0\x02" + strings.Repeat("\x00\x01\x0a", 40)))
	f.Add([]byte("\x03\x01" + strings.Repeat("\x00\x04\x01\x14", 40)))
	f.Add(slices.Repeat([]byte{0, 0, 1, 8, 10, 20, 30, 3}, 60))
	for _, order := range []byte{129, 130, 131} { // with a delay
		f.Add([]byte{5, order, 0, 1, 7, 159, 0, 1, 3, 4, 0, 3, 3, 3, 3, 0, 1, 4, 1, 7, 1})
		f.Add(append([]byte{5, order}, slices.Repeat([]byte{0, 0, 0, 1, 4, 14, 5, 39, 1, 6, 3, 49, 1, 79, 2}, 20)...))
		f.Add(append([]byte{7, order}, slices.Repeat([]byte{0, 4, 5, 6, 1, 3, 13, 4, 5, 6, 1, 33}, 20)...)) // more than can be served
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) < 2 {
			return
		}
		m := newModel(t, int(steps[0]%8)+1, Orders()[steps[1]%3], steps[1] > 127)
		for _, step := range steps[2:] {
			switch step % 10 {
			case 0, 4, 5, 6, 7:
				m.add(string(rune('a'+step/10)), time.Duration(step%4)*patience*2/3, true)
			case 8:
				m.add("", 0, false)
			case 1, 2:
				m.compare()
			case 9:
				m.delay = time.Duration(step/10) * patience / 16
			default:
				m.clock.move(time.Duration(step/10+1) * patience / 32)
			}
			m.check()
		}
		m.drain()
	})
}

// modelRequest is one request of the model; its value is its index.
type modelRequest struct {
	source             string
	arrival, connected time.Time
	admitted           bool // by Open
}

// model is a simple implementation of Queue, and the Queue that it is compared with.
type model struct {
	t     *testing.T
	clock *clock
	delay time.Duration
	cfg   Config[int]
	q     *Queue[int]

	all      []modelRequest
	out      []int // values that have left
	arrived  []int
	sources  map[string][]int
	rotation []string
	peeked   int
	rate     throughput
	lag      time.Duration
}

func newModel(t *testing.T, size int, order Order, delay bool) *model {
	t.Helper()
	m := &model{t: t, clock: &clock{}, sources: map[string][]int{}}
	m.cfg = Config[int]{Limit: size, Patience: patience, Order: order, Now: m.clock.Now, Open: func(v int) (Source, bool) {
		r := m.all[v]
		return Source{r.source, r.connected}, r.admitted
	}}
	if delay {
		m.cfg.Delay = func() time.Duration { return m.delay }
	}
	m.q = NewQueue(m.cfg)
	return m
}

// add adds a request. before is how long before its arrival its client had connected;
// 0: unknown.
func (m *model) add(source string, before time.Duration, admitted bool) {
	r, v := modelRequest{source: source, arrival: m.clock.Now(), admitted: admitted}, len(m.all)
	if before > 0 {
		r.connected = r.arrival.Add(-before)
	}
	m.all = append(m.all, r)
	fits := len(m.arrived) < m.cfg.Limit
	if ok := m.q.Add(v, r.arrival); ok != fits {
		m.t.Fatalf("Add is %v with %d of %d", ok, len(m.arrived), m.cfg.Limit)
	}
	if !fits {
		m.out = append(m.out, v)
		return
	}
	if len(m.arrived)+m.opened() == 0 {
		m.rate.start(r.arrival)
	}
	m.arrived = append(m.arrived, v)
}

func (m *model) opened() (n int) {
	for _, s := range m.sources {
		n += len(s)
	}
	return n
}

// compare takes the next request of the Queue and of the model.
func (m *model) compare() {
	m.t.Helper()
	got, ok := m.q.Next()
	want, wantOK := m.next(got.Value)
	if got != want || ok != wantOK {
		m.t.Fatalf("%+v, %v; want %+v, %v", got, ok, want, wantOK)
	}
	if ok {
		m.out = append(m.out, got.Value)
	}
}

// next takes the next request of the model. Of several sources that are equally heavy,
// the one of the value evicted pays.
func (m *model) next(evicted int) (Item[int], bool) {
	for {
		n := m.opened()
		switch {
		case n > m.cfg.Limit:
			s := m.heaviest(evicted)
			v := m.remove(s, 0)
			return Item[int]{v, m.orExpired(Evicted, m.all[v].arrival)}, true
		case len(m.arrived) > 0 && (n == 0 || m.peeked < openLimit):
			v := m.arrived[0]
			m.arrived = m.arrived[1:]
			if r := m.all[v]; m.late(r.arrival) {
				return Item[int]{v, Expired}, true
			}
			m.peeked++
			r := m.all[v]
			if !r.admitted {
				return Item[int]{v, Refused}, true
			}
			if len(m.sources[r.source]) == 0 {
				m.rotation = append(m.rotation, r.source)
			}
			m.sources[r.source] = append(m.sources[r.source], v)
			m.lag += (m.lagOf(v) - m.lag) / lagMemory
		case n == 0:
			return Item[int]{}, false
		default:
			return m.serve(), true
		}
	}
}

func (m *model) serve() Item[int] {
	m.peeked = 0
	s := m.rotation[0]
	m.rotation = append(m.rotation[1:], s)
	waiting := m.sources[s]
	before := min(m.opened(), len(waiting)*len(m.sources))
	wait := m.rate.duration(before, m.clock.Now())
	overload := m.late(m.since(waiting[len(waiting)-1]).Add(-wait))
	at := 0
	if !m.late(m.all[waiting[0]].arrival) && (m.cfg.Order == NewestFirst || m.cfg.Order == Adaptive && overload) {
		at = len(waiting) - 1
	}
	v := m.remove(s, at)
	item := Item[int]{v, m.orExpired(Admitted, m.since(v))}
	if item.State == Admitted {
		m.rate.add(1, m.clock.Now())
	}
	return item
}

func (m *model) lagOf(v int) time.Duration {
	if r := m.all[v]; !r.connected.IsZero() {
		return min(r.arrival.Sub(r.connected), 2*patience)
	}
	return 0
}

func (m *model) since(v int) time.Time {
	r := m.all[v]
	if m.done().Sub(r.arrival) < patience/40 {
		return r.arrival
	}
	return r.arrival.Add(-min(m.lagOf(v), 2*m.lag))
}

// done returns when an answer that is sent now has been processed.
func (m *model) done() time.Time {
	if m.cfg.Delay == nil {
		return m.clock.Now()
	}
	return m.clock.Now().Add(min(m.delay/2, patience/2))
}

func (m *model) late(since time.Time) bool { return m.done().Sub(since) >= limit }

func (m *model) orExpired(state State, since time.Time) State {
	if m.late(since) {
		return Expired
	}
	return state
}

// heaviest returns the source whose oldest value this is. It must be one of the
// heaviest.
func (m *model) heaviest(value int) string {
	longest := 0
	for _, s := range m.sources {
		longest = max(longest, len(s))
	}
	for name, s := range m.sources {
		if len(s) == longest && s[0] == value {
			return name
		}
	}
	m.t.Fatalf("evicted %d, which is not the oldest of a source with %d", value, longest)
	return ""
}

func (m *model) remove(source string, at int) int {
	v := m.sources[source][at]
	m.sources[source] = slices.Delete(m.sources[source], at, at+1)
	if len(m.sources[source]) == 0 {
		delete(m.sources, source)
		m.rotation = slices.DeleteFunc(m.rotation, func(s string) bool { return s == source })
	}
	return v
}

// check compares the state of the Queue with the model.
func (m *model) check() {
	m.t.Helper()
	n := m.opened()
	if n > m.cfg.Limit || m.q.opened != n || m.q.Len() != n+len(m.arrived) {
		m.t.Fatalf("%d opened, %d in all; want %d and %d that are not, at most %d", m.q.opened, m.q.Len(), n, len(m.arrived), m.cfg.Limit)
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
	for len(m.arrived)+m.opened() > 0 {
		m.compare()
		m.check()
	}
	m.compare() // nothing
	slices.Sort(m.out)
	for i, v := range m.out {
		if i != v {
			m.t.Fatalf("value %d is number %d of the values that left", v, i)
		}
	}
	if len(m.out) != len(m.all) {
		m.t.Fatalf("%d values entered, %d left", len(m.all), len(m.out))
	}
}
