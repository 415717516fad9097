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

// clock stands still until a test moves it.
type clock struct{ past atomic.Int64 }

func (c *clock) Now() time.Time { return time.Unix(1_800_000_000, c.past.Load()) }

func (c *clock) move(d time.Duration) { c.past.Add(int64(d)) }

const age = 900 * time.Millisecond

// line is a Queue of strings. The source of a value is its first letter.
type line struct {
	*Queue[string]
	t     *testing.T
	clock *clock
}

func newLine(t *testing.T, limit int, order Order) *line {
	t.Helper()
	c := &clock{}
	return &line{NewQueue[string](Config{Limit: limit, Age: age, Order: order, Now: c.Now}), t, c}
}

// arrive lets values arrive that somebody has looked at already.
func (l *line) arrive(values ...string) {
	for _, v := range values {
		l.put(v[:1], waiting[string]{value: v, arrival: l.clock.Now()})
	}
}

// expect takes turns.
func (l *line) expect(state State, values ...string) {
	l.t.Helper()
	for _, v := range values {
		got, ok := l.Take()
		if !ok || got != (Turn[string]{v, state}) {
			l.t.Errorf("%+v, %v, want %s in state %d", got, ok, v, state)
		}
	}
}

func (l *line) expectEmpty() {
	l.t.Helper()
	if l.Held() != 0 || len(l.sources) != 0 || l.turns.first() != l.turns.end {
		l.t.Errorf("%d are held, of %d sources", l.Held(), len(l.sources))
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
		{"oldest first, whatever they waited", OldestFirst, age - 1, oldest},
		{"newest first", NewestFirst, 0, newest},
		{"newest first, whatever they waited", NewestFirst, age - 1, newest},
		{"adaptive is oldest first", Adaptive, 0, oldest},
		{"for a third of the limit", Adaptive, age/3 - 1, oldest},
		{"and then newest first", Adaptive, age / 3, newest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLine(t, 10, tt.order)
			l.arrive("a1", "a2", "a3")
			l.clock.move(tt.wait)
			l.expect(Next, tt.want...)
			l.expectEmpty()
		})
	}
}

// Adaptive goes back to the oldest once nobody has waited for long.
func TestAdaptiveRecovers(t *testing.T) {
	l := newLine(t, 10, Adaptive)
	l.arrive("a1", "a2")
	l.clock.move(age / 2)
	l.arrive("a3", "a4")
	l.expect(Next, "a4", "a3", "a2", "a1")
	l.arrive("a5", "a6")
	l.expect(Next, "a5", "a6")
}

// Each source is judged by what it has waiting itself.
func TestAdaptivePerSource(t *testing.T) {
	l := newLine(t, 10, Adaptive)
	l.arrive("a1")
	l.clock.move(age / 2)
	l.arrive("a2", "b1", "b2")
	l.expect(Next, "a2", "b1", "a1", "b2")
}

// The sources have turns in the order in which they came.
func TestTurns(t *testing.T) {
	l := newLine(t, 100, OldestFirst)
	l.arrive("a1", "a2", "a3", "a4", "b1", "c1", "c2")
	l.expect(Next, "a1", "b1", "c1")
	l.arrive("d1", "b2") // b had nothing waiting any more
	l.expect(Next, "a2", "c2", "d1", "b2", "a3", "a4")
	l.expectEmpty()
}

// A source with 10,000 waiting does not delay another's first by more than one
// turn of each.
func TestTurnsBesideCrowds(t *testing.T) {
	for _, order := range Orders() {
		l := newLine(t, 30_000, order)
		for i := range 10_000 {
			l.arrive(fmt.Sprint("a", i), fmt.Sprint("b", i))
		}
		var turns string
		for range 6 {
			turn, _ := l.Take()
			turns += turn.Value[:1]
			if len(turns) == 3 {
				l.arrive("c1")
			}
		}
		if turns != "ababac" {
			t.Errorf("%s: %s", order, turns)
		}
	}
}

// What has just come is looked at before there are turns, and the one who looked
// takes a turn in exchange.
func TestFresh(t *testing.T) {
	l := newLine(t, 10, OldestFirst)
	l.arrive("a1")
	for _, v := range []string{"b1", "a2"} {
		if !l.Add(v) {
			t.Fatal(v)
		}
	}
	l.expect(Fresh, "b1")
	if turn := l.Exchange("b", "b1", l.clock.Now(), l.clock.Now()); turn != (Turn[string]{"a2", Fresh}) {
		t.Errorf("%+v", turn)
	}
	if turn := l.Exchange("a", "a2", l.clock.Now(), l.clock.Now()); turn != (Turn[string]{"a1", Next}) {
		t.Errorf("%+v", turn)
	}
	l.expect(Next, "b1", "a2")
	l.expectEmpty()
	if turn := l.Exchange("c", "c1", l.clock.Now(), l.clock.Now()); turn != (Turn[string]{"c1", Next}) {
		t.Errorf("what comes alone has the next turn itself: %+v", turn)
	}
	l.expectEmpty()
}

// While more comes than can be looked at, work goes on all the same.
func TestTurnsWhileMoreComes(t *testing.T) {
	l := newLine(t, 100, OldestFirst)
	count := map[State]int{}
	for n := 0; n < 5000; {
		for l.Add(fmt.Sprint("a", n)) {
			n++
		}
		turn, _ := l.Take()
		for turn.State == Fresh {
			count[Fresh]++
			l.Add(fmt.Sprint("a", n))
			n++
			turn = l.Exchange("a", turn.Value, l.clock.Now(), l.clock.Now())
		}
		count[turn.State]++
	}
	if got, want := count[Next], count[Fresh]/looks; got < want {
		t.Errorf("%d were looked at, and %d had a turn: want %d", count[Fresh], got, want)
	}
}

func TestLate(t *testing.T) {
	for _, order := range Orders() {
		t.Run(string(order), func(t *testing.T) {
			l := newLine(t, 10, order)
			l.arrive("a1", "b1")
			l.Add("a2")
			l.clock.move(age - 1)
			l.arrive("a3")
			l.Add("b2")
			l.clock.move(1)
			l.expect(Late, "a2") // before anybody looks
			l.expect(Fresh, "b2")
			l.expect(Late, "a1", "b1")
			l.expect(Next, "a3")
			l.expectEmpty()
		})
	}
}

// Workers that look side by side can hand back a little out of order: late is
// who has waited too long, not who stands in front.
func TestLateOutOfOrder(t *testing.T) {
	l := newLine(t, 10, NewestFirst)
	start := l.clock.Now()
	l.put("a", waiting[string]{value: "a2", arrival: start.Add(1)})
	l.put("a", waiting[string]{value: "a1", arrival: start})
	l.clock.move(age)
	l.expect(Late, "a1")
	l.expect(Next, "a2")
}

// More than the limit do not wait for a look.
func TestFullBeforeTheLook(t *testing.T) {
	l := newLine(t, 3, OldestFirst)
	l.arrive("a1", "a2", "a3")
	for i := range 4 {
		if ok := l.Add(fmt.Sprint("b", i)); ok != (i < 3) {
			t.Errorf("%d: %v", i, ok)
		}
	}
	if l.Held() != 6 {
		t.Errorf("%d are held", l.Held())
	}
}

// Who has the most pays, with its oldest, and never who has less than the mean.
func TestFull(t *testing.T) {
	tests := []struct {
		name    string
		waiting string // sources of what waits when one more of the last comes
		pays    string
	}{
		{"a source alone", "aaaa", "a"},
		{"the crowded one for another", "aaab", "a"},
		{"the crowded one for itself", "baaa", "a"},
		{"the most crowded", "aabbbc", "b"},
		{"any of those with the most", "aabbc", "ab"},
		{"anybody, if all have one", "abcd", "abcd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLine(t, len(tt.waiting)-1, NewestFirst)
			number := map[rune]int{}
			for _, source := range tt.waiting {
				number[source]++
				l.arrive(fmt.Sprint(string(source), number[source]))
			}
			got, _ := l.Take()
			if got.State != Full || !strings.Contains(tt.pays, got.Value[:1]) || got.Value[1:] != "1" {
				t.Errorf("%+v, want the first of %s", got, tt.pays)
			}
			if got, _ := l.Take(); got.State != Next {
				t.Errorf("then %+v", got)
			}
		})
	}
}

// Sources that have nothing waiting any more do not make those that have one
// pay: they are no part of the mean.
func TestFullAfterMany(t *testing.T) {
	const limit = 100
	l := newLine(t, limit, OldestFirst)
	for i := range limit {
		l.put(strconv.Itoa(i), waiting[string]{value: "v", arrival: l.clock.Now()})
	}
	for range limit {
		l.Take()
	}
	l.arrive("b1", "c1", "d1", "e1")
	for i := range limit {
		l.arrive(fmt.Sprint("a", i))
	}
	l.expect(Full, "a0", "a1", "a2", "a3")
	l.expect(Next, "b1", "c1", "d1", "e1", "a4")
}

func TestClose(t *testing.T) {
	l := newLine(t, 10, OldestFirst)
	waits := make(chan bool)
	for range 3 {
		go func() {
			_, ok := l.Take()
			waits <- ok
		}()
	}
	if n := l.Close(); n != 0 {
		t.Errorf("%d waited", n)
	}
	for range 3 {
		if <-waits {
			t.Error("a turn of nothing")
		}
	}
	if l.Add("a1") {
		t.Error("let in after the end")
	}

	l = newLine(t, 10, OldestFirst)
	l.arrive("a1", "b1")
	l.Add("a2")
	l.expect(Fresh, "a2")
	if n := l.Close(); n != 2 || l.Held() != 2 {
		t.Errorf("%d waited, %d are held", n, l.Held())
	}
	if _, ok := l.Take(); ok {
		t.Error("a turn after the end")
	}
	// Who is looking gets a turn for what it hands back.
	if turn := l.Exchange("a", "a2", l.clock.Now(), l.clock.Now()); turn != (Turn[string]{"a1", Next}) || l.Held() != 2 {
		t.Errorf("%+v, %d are held", turn, l.Held())
	}
}

// A million sources that come and go leave nothing behind.
func TestSourcesAreForgotten(t *testing.T) {
	const limit = 64
	l := newLine(t, limit, OldestFirst)
	var count [Full + 1]int
	for i := range 1_000_000 {
		name := strconv.Itoa(i)
		switch {
		case i < limit, i%10 == 0:
			l.put(name, waiting[string]{value: name, arrival: l.clock.Now()})
		case i%10 == 5:
			turn, _ := l.Take()
			count[turn.State]++
		default:
			count[l.Exchange(name, name, l.clock.Now(), l.clock.Now()).State]++
		}
	}
	if count[Full] < 100_000 || count[Next] < 100_000 {
		t.Errorf("states %v", count)
	}
	for l.Held() > 0 {
		l.Take()
	}
	l.expectEmpty()
	if n := len(l.crowd.order); n > limit+2 {
		t.Errorf("%d sources are kept", n)
	}
	for _, s := range l.crowd.order {
		if s.name != "" || s.waiting.Cap() > limit {
			t.Errorf("source %q is kept with room for %d", s.name, s.waiting.Cap())
		}
	}
}

// Whatever workers and arrivals do at the same time, each value comes out once.
func TestConcurrency(t *testing.T) {
	for _, limit := range []int{8, 1 << 20} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			const each, arrivals, workers = 4000, 4, 4
			q := NewQueue[int](Config{Limit: limit, Age: time.Hour, Order: Adaptive, Now: time.Now})
			var seen [each * arrivals]atomic.Int32
			var out, in sync.WaitGroup
			var left atomic.Int32
			left.Store(int32(len(seen)))
			gone := func(v int) {
				seen[v].Add(1)
				if left.Add(-1) == 0 {
					q.Close()
				}
			}
			for range workers {
				out.Go(func() {
					for {
						turn, ok := q.Take()
						for ok && turn.State == Fresh {
							if turn.Value%7 == 0 { // not wanted
								break
							}
							turn = q.Exchange(strconv.Itoa(turn.Value%13), turn.Value, time.Now(), time.Now())
						}
						if !ok {
							return
						}
						gone(turn.Value)
					}
				})
			}
			for a := range arrivals {
				in.Go(func() {
					for i := range each {
						if v := a*each + i; !q.Add(v) {
							gone(v)
						}
					}
				})
			}
			in.Wait()
			out.Wait()
			for v := range seen {
				if n := seen[v].Load(); n != 1 {
					t.Fatalf("%d came out %d times", v, n)
				}
			}
			if q.Held() != 0 {
				t.Errorf("%d are held", q.Held())
			}
		})
	}
}

// FuzzQueue does random steps, and compares each with a model that counts and
// searches instead of keeping account.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 1, 2, 2, 1, 1})
	f.Add([]byte{1, 1, 0, 0, 0, 0, 1, 2, 12, 22, 1, 1, 1})
	f.Add([]byte{2, 2, 0, 3, 3, 0, 1, 2, 1, 12, 1, 1})
	f.Add([]byte("0\x02" + strings.Repeat("\x00\x01\x02\x0c", 40)))
	f.Add([]byte("\x03\x01" + strings.Repeat("\x00\x00\x01\x02\x16", 40)))
	f.Add(slices.Repeat([]byte{0, 0, 1, 2, 12, 22, 32, 3}, 60))
	for _, order := range []byte{129, 130, 131} { // with a way ahead
		f.Add([]byte{5, order, 0, 1, 7, 159, 0, 1, 3, 4, 0, 3, 3, 3, 3, 0, 1, 4, 1, 7, 1})
		f.Add(append([]byte{5, order}, slices.Repeat([]byte{0, 0, 0, 1, 4, 14, 5, 39, 1, 6, 3, 49, 1, 79, 2}, 20)...))
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) < 2 {
			return
		}
		c := &clock{}
		var ahead time.Duration
		cfg := Config{Limit: int(steps[0]%8) + 1, Age: age, Order: Orders()[steps[1]%3], Now: c.Now}
		if steps[1] > 127 {
			cfg.Ahead = func() time.Duration { return ahead }
		}
		m := &model{t: t, cfg: cfg, q: NewQueue[int](cfg), sources: map[string][]waiting[int]{}}
		for _, step := range steps[2:] {
			switch step % 10 {
			case 0:
				m.add()
			case 1:
				m.take()
			case 2, 4, 5, 6, 7:
				m.exchange(string(rune('a'+step/10)), time.Duration(step%4)*age/3)
			case 9:
				ahead = time.Duration(step/10) * age / 16
			default:
				c.move(time.Duration(step/10+1) * age / 16)
			}
			m.check()
		}
		m.drain()
	})
}

// model is what a Queue is to do.
type model struct {
	t   *testing.T
	cfg Config
	q   *Queue[int]

	next    int // value
	out     []int
	hand    []waiting[int] // was Fresh, and is being looked at
	fresh   []waiting[int]
	sources map[string][]waiting[int]
	turns   []string
	looked  int
}

func (m *model) add() {
	w := waiting[int]{value: m.next, arrival: m.cfg.Now()}
	m.next++
	if ok := m.q.Add(w.value); ok != (len(m.fresh) < m.cfg.Limit) {
		m.t.Fatalf("Add is %v with %d of %d", ok, len(m.fresh), m.cfg.Limit)
	} else if !ok {
		m.out = append(m.out, w.value)
		return
	}
	m.fresh = append(m.fresh, w)
}

func (m *model) take() {
	if len(m.fresh)+m.sorted() == 0 {
		return // it would wait
	}
	turn, ok := m.q.Take()
	if !ok {
		m.t.Fatal("closed")
	}
	m.expect(turn)
}

// exchange hands back what has been looked at longest. before is how long its
// sender had waited already; 0: that is not known.
func (m *model) exchange(source string, before time.Duration) {
	if len(m.hand) == 0 {
		return
	}
	w := m.hand[0]
	m.hand = m.hand[1:]
	if before > 0 {
		w.since = w.arrival.Add(-before)
	}
	if len(m.sources[source]) == 0 {
		m.turns = append(m.turns, source)
	}
	m.sources[source] = append(m.sources[source], w)
	m.expect(m.q.Exchange(source, w.value, w.arrival, w.since))
}

func (m *model) sorted() (n int) {
	for _, s := range m.sources {
		n += len(s)
	}
	return n
}

// expect says what the next turn is, and takes it from the model.
func (m *model) expect(got Turn[int]) {
	m.t.Helper()
	through := m.cfg.Now()
	if m.cfg.Ahead != nil {
		through = through.Add(min(m.cfg.Ahead(), age/2))
	}
	want := Next
	var w waiting[int]
	var since time.Time
	switch n := m.sorted(); {
	case n > m.cfg.Limit:
		want = Full
		payer := m.payer(got.Value)
		w = m.sources[payer][0]
		m.remove(payer, 0)
	case len(m.fresh) > 0 && (n == 0 || m.looked < looks):
		want = Fresh
		m.looked++
		w, m.fresh = m.fresh[0], m.fresh[1:]
	default:
		m.looked = 0
		s := m.turns[0]
		m.turns = append(m.turns[1:], s)
		at, oldest := 0, through.Sub(m.sources[s][0].arrival)
		if oldest < age && (m.cfg.Order == NewestFirst || m.cfg.Order == Adaptive && oldest >= age/3) {
			at = len(m.sources[s]) - 1
		}
		w = m.sources[s][at]
		m.remove(s, at)
		if oldest >= age/3 {
			since = w.since
		}
	}
	if since.IsZero() {
		since = w.arrival
	}
	if through.Sub(since) >= age {
		want = Late
	}
	if got != (Turn[int]{w.value, want}) {
		m.t.Fatalf("%+v, want %d in state %d", got, w.value, want)
	}
	if want == Fresh {
		m.hand = append(m.hand, w)
		return
	}
	m.out = append(m.out, w.value)
}

// payer returns the source that value is the oldest of, and which has the most.
func (m *model) payer(value int) string {
	most := 0
	for _, s := range m.sources {
		most = max(most, len(s))
	}
	for name, s := range m.sources {
		if len(s) == most && s[0].value == value {
			return name
		}
	}
	m.t.Fatalf("%d pays, and is not the oldest of a source with %d", value, most)
	return ""
}

func (m *model) remove(source string, at int) {
	m.sources[source] = slices.Delete(m.sources[source], at, at+1)
	if len(m.sources[source]) == 0 {
		delete(m.sources, source)
		m.turns = slices.DeleteFunc(m.turns, func(s string) bool { return s == source })
	}
}

// check compares what the Queue keeps account of.
func (m *model) check() {
	m.t.Helper()
	n := m.sorted()
	if n > m.cfg.Limit || m.q.sorted != n || m.q.Held() != n+len(m.fresh) {
		m.t.Fatalf("%d sorted, %d held; want %d and %d fresh, at most %d", m.q.sorted, m.q.Held(), n, len(m.fresh), m.cfg.Limit)
	}
	names := slices.Sorted(maps.Keys(m.q.sources))
	if !slices.Equal(names, slices.Sorted(maps.Keys(m.sources))) {
		m.t.Fatalf("sources %v, want %v", names, m.sources)
	}
	order := m.q.crowd.order
	for i, s := range order {
		if s.place != i || i > 0 && s.waiting.Len() > order[i-1].waiting.Len() {
			m.t.Fatalf("source %d of the crowd is at %d, with %d waiting", i, s.place, s.waiting.Len())
		}
	}
	if len(order) > m.cfg.Limit+1 {
		m.t.Fatalf("%d sources are kept", len(order))
	}
}

// drain takes everything, and counts.
func (m *model) drain() {
	for len(m.fresh)+m.sorted()+len(m.hand) > 0 {
		m.exchange("z", 0)
		m.take()
		m.check()
	}
	slices.Sort(m.out)
	for i, v := range m.out {
		if i != v {
			m.t.Fatalf("value %d at place %d of what came out", v, i)
		}
	}
	if len(m.out) != m.next {
		m.t.Fatalf("%d came in, %d out", m.next, len(m.out))
	}
}
