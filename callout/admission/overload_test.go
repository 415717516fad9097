package admission

import (
	"strconv"
	"testing"
	"time"
)

func TestOrder(t *testing.T) {
	const n = 1000
	oldest, newest := []string{"a0", "a1", "a2"}, []string{"a999", "a998", "a997"}
	tests := []struct {
		name  string
		order Order
		wait  time.Duration // predicted for the newest
		want  []string
	}{
		{"oldest first", OldestFirst, time.Second, oldest},
		{"oldest first, under overload", OldestFirst, time.Minute, oldest},
		{"newest first", NewestFirst, time.Second, newest},
		{"newest first, under overload", NewestFirst, time.Minute, newest},
		{"adaptive", Adaptive, time.Second, oldest},
		{"adaptive, just in time", Adaptive, limit - 1, oldest},
		{"adaptive, just too late", Adaptive, limit, newest},
		{"adaptive, under overload", Adaptive, time.Minute, newest},
		{"adaptive, rate unknown", Adaptive, 0, oldest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newTestQueue(t, n, tt.order)
			q.rate.start(q.clock.Now())
			q.addMany("a", n)
			for _, want := range tt.want {
				if tt.wait > 0 {
					q.setRate(float64(q.Len()) / tt.wait.Seconds())
				}
				q.expect(Admitted, want)
			}
		})
	}
}

// However old the oldest request is, the order is the oldest first while all are served
// in time.
func TestOldestFirstUntilTheLast(t *testing.T) {
	const n = 2000 // arrive at once, and are served at 1,000 a second
	q := newTestQueue(t, n, Adaptive)
	q.rate.start(q.clock.Now())
	q.addMany("a", n)
	for i := range n {
		q.expect(Admitted, "a"+strconv.Itoa(i))
		q.clock.move(time.Millisecond)
	}
}

// The same with more requests than can be served: the newest come first until the rest
// can be served in time, or has expired.
func TestNewestFirstUnderOverload(t *testing.T) {
	const n = 4000
	q := newTestQueue(t, n, Adaptive)
	q.rate.start(q.clock.Now())
	q.addMany("a", n)
	count := map[State]int{}
	var values []string
	for item, ok := q.Next(); ok; item, ok = q.Next() {
		count[item.State]++
		if item.State == Admitted {
			values = append(values, item.Value)
			q.clock.move(time.Millisecond)
		}
	}
	if served := int(limit / time.Millisecond); count[Admitted] != served || count[Expired] != n-served {
		t.Errorf("states %v", count)
	}
	known := int(shortestSample / time.Millisecond)
	if values[known-10] != "a"+strconv.Itoa(known-10) || values[known+10] < "a3900" {
		t.Errorf("served %v", values[:2*known])
	}
}

// The requests of all sources count, not those of one.
func TestOverloadOfManySources(t *testing.T) {
	for _, tt := range []struct {
		rate float64
		want []string
	}{
		{1000, []string{"a0", "b0", "c0", "d0"}},
		{100, []string{"a99", "b99", "c99", "d99"}},
	} {
		q := newTestQueue(t, 1000, Adaptive)
		for _, source := range []string{"a", "b", "c", "d"} {
			q.addMany(source, 100)
		}
		q.setRate(tt.rate)
		q.expect(Admitted, tt.want...)
	}
}

// A source that has more requests waiting than can be served does not change the order
// of another: sources are served round robin.
func TestOverloadOfOneSource(t *testing.T) {
	q := newTestQueue(t, 1000, Adaptive)
	q.addMany("a", 900)
	q.addMany("b", 3)
	q.setRate(100)
	q.expect(Admitted, "a899", "b0", "a898", "b1", "a897", "b2", "a896")
}

// What lies between the connect of a client and the arrival of its request counts once
// requests wait, and up to twice the usual.
func TestLag(t *testing.T) {
	const lag = limit / 2
	q := newTestQueue(t, 1000, OldestFirst)
	request := func(value string, lag time.Duration) {
		q.connected[value] = q.clock.Now().Add(-lag)
		q.add(value)
	}
	// Some clients are slow to send their credential, and patient after that.
	request("a0", time.Hour)
	q.expect(Admitted, "a0")
	// All are, as when their network is slow.
	for range 1000 {
		request("a1", limit)
		q.expect(Admitted, "a1")
	}
	// Requests lag because the server is busy.
	for range 1000 {
		request("a2", lag)
		q.expect(Admitted, "a2")
	}
	request("a3", lag)
	request("a4", limit)
	request("a5", time.Hour)
	q.clock.move(patience / 40)
	q.expect(Admitted, "a3")
	q.expect(Expired, "a4", "a5")
	// One is slow, and the others are not.
	for range 1000 {
		request("a6", 0)
		q.expect(Admitted, "a6")
	}
	request("a7", time.Hour)
	q.clock.move(patience / 2)
	q.expect(Admitted, "a7")
	q.add("a8") // when its client connected is not known
	q.clock.move(patience / 2)
	q.expect(Admitted, "a8")
}

// Half of the longest delay of answers counts, up to half of the patience.
func TestDelay(t *testing.T) {
	var delay time.Duration
	q := newTestQueue(t, 1000, Adaptive)
	q.cfg.Delay = func() time.Duration { return delay }
	q.addMany("a", 500)
	q.setRate(500.)
	q.expect(Admitted, "a0")
	delay = 2 * (limit - 1500*time.Millisecond)
	q.setRate(499 / 1.6)
	q.expect(Admitted, "a499")
	q.setRate(498 / 1.4)
	q.expect(Admitted, "a1")
	delay = time.Hour
	q.setRate(1000)
	q.expect(Admitted, "a2")
	q.clock.move(limit - patience/2)
	q.expect(Expired, "a3")
}
