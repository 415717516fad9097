package callout

import (
	"sync"
	"testing"
	"time"
)

// Four connections have 64 places each at least.
const (
	testConnections = 4
	testLeast       = leastAnswers / testConnections
)

func TestNextLimit(t *testing.T) {
	tests := []struct {
		name     string
		limit, n int
		took     time.Duration
		want     int
	}{
		{"as fast as a moment", 100, 100, moment, 100},
		{"twice as slow: half, at once", 400, 400, 2 * moment, 200},
		{"much slower", 400, 10, 2 * moment, 5},
		{"a few in less than a moment say nothing", 400, 2, moment / 2, 400},
		{"a round of none says nothing", 400, 0, 3 * moment, 400},
		{"ten times as fast: half more", 100, 100, moment / 10, 150},
		{"never more than the most", mostWindow, mostWindow, moment / 10, mostWindow},
		{"no time at all", mostWindow, 1, 0, mostWindow},
		{"one answer on a quiet connection", 100, 1, time.Millisecond, 150},
		{"a clock that goes back", 100, 1, -time.Second, 150},
	}
	for _, tt := range tests {
		if got := nextLimit(tt.limit, tt.n, tt.took); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// fill enters until there is no room.
func fill(t *testing.T, w *window) {
	t.Helper()
	limit, taken := w.size()
	for range limit - taken {
		if !w.enter() {
			t.Fatal("closed")
		}
	}
}

// entering reports, once somebody who finds no room may enter, whether it did.
func entering(w *window) <-chan bool {
	entered, waits := make(chan bool, 1), make(chan struct{})
	go func() {
		close(waits)
		entered <- w.enter()
	}()
	<-waits
	return entered
}

func refuseEntry(t *testing.T, entered <-chan bool) {
	t.Helper()
	select {
	case <-entered:
		t.Fatal("entered without room")
	default:
	}
}

func TestWindowWaitsForTheServer(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	w := newWindow(testConnections, func() time.Time { return now })
	stop := make(chan struct{})
	fill(t, w)
	entered := entering(w)
	for range testLeast {
		w.answer()
	}
	refuseEntry(t, entered) // answers make no room
	ticket, ok := w.ask(stop)
	if !ok {
		t.Fatal("nothing to ask for")
	}
	refuseEntry(t, entered) // nor does the question
	now = now.Add(moment)
	w.confirm(ticket)
	if !<-entered {
		t.Error("closed")
	}
	if limit, taken := w.size(); limit != testLeast || taken != 1 {
		t.Errorf("%d of %d taken", taken, limit)
	}
}

func TestWindowLeave(t *testing.T) {
	w := newWindow(testConnections, time.Now)
	fill(t, w)
	entered := entering(w)
	w.leave()
	if !<-entered {
		t.Error("closed")
	}
}

// What was on its way by a connection that is gone, nobody confirms any more.
func TestWindowLosesConnection(t *testing.T) {
	w := newWindow(testConnections, time.Now)
	fill(t, w)
	w.answer()
	ticket, _ := w.ask(nil)
	w.answer()
	entered := entering(w)
	w.lose()
	if !<-entered {
		t.Error("closed")
	}
	if _, taken := w.size(); taken != testLeast-1 {
		t.Errorf("%d taken, want those that are worked on and the new one", taken)
	}
	w.confirm(ticket) // comes too late, and must not count twice
	if _, taken := w.size(); taken != testLeast-1 {
		t.Errorf("%d taken after a late confirmation", taken)
	}
}

func TestWindowIntrude(t *testing.T) {
	w := newWindow(testConnections, time.Now)
	fill(t, w)
	w.intrude()
	w.answer()
	if _, taken := w.size(); taken != testLeast+1 {
		t.Errorf("%d taken", taken)
	}
	ticket, _ := w.ask(nil)
	w.confirm(ticket)
	if _, taken := w.size(); taken != testLeast {
		t.Errorf("%d taken", taken)
	}
}

func TestWindowCloses(t *testing.T) {
	w := newWindow(testConnections, time.Now)
	fill(t, w)
	entered := entering(w)
	w.close()
	if <-entered {
		t.Error("entered a window that is closed")
	}
	stop := make(chan struct{})
	close(stop)
	if _, ok := w.ask(stop); ok {
		t.Error("there is something to ask for")
	}
}

// Whatever comes at once, every place is given back.
func TestWindowAtOnce(t *testing.T) {
	w := newWindow(testConnections, time.Now)
	stop, confirmed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(confirmed)
		for n := 0; ; n++ {
			ticket, ok := w.ask(stop)
			if !ok {
				return
			}
			if n%50 == 49 {
				w.lose()
			}
			w.confirm(ticket)
		}
	}()
	var workers sync.WaitGroup
	for i := range 8 {
		workers.Go(func() {
			for n := range 2000 {
				if !w.enter() {
					t.Error("closed")
					return
				}
				if (n+i)%3 == 0 {
					w.leave()
				} else {
					w.answer()
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	<-confirmed
	w.lose()
	if _, taken := w.size(); taken != 0 {
		t.Errorf("%d places are taken by nobody", taken)
	}
}

// The delay is that of the last round, or of the one under way if that takes
// longer, and nothing once the last one is long ago.
func TestWindowDelay(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	w := newWindow(testConnections, func() time.Time { return now })
	check := func(want time.Duration) {
		t.Helper()
		if got := w.Delay(); got != want {
			t.Errorf("delay %s, want %s", got, want)
		}
	}
	check(0)
	for _, took := range []time.Duration{time.Second, 10 * time.Millisecond} {
		last := w.Delay()
		w.enter()
		w.answer()
		ticket, _ := w.ask(nil)
		now = now.Add(took)
		check(max(last, took))
		w.confirm(ticket)
		check(took)
	}
	now = now.Add(stale)
	check(10 * time.Millisecond)
	now = now.Add(1)
	check(0)
}
