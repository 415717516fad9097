package admission

import (
	"testing"
	"time"
)

func TestThroughput(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var rate throughput
	rate.start(now)
	// run admits n requests evenly, within d.
	run := func(n int, d time.Duration) {
		for range n {
			now = now.Add(d / time.Duration(n))
			rate.add(1, now)
		}
	}
	expect := func(low, high time.Duration) {
		t.Helper()
		if got := rate.duration(1000, now); got < low || got > high {
			t.Errorf("1000 requests take %s, want %s to %s", got, low, high)
		}
	}
	run(99, 99*time.Millisecond)
	expect(0, 0) // not known yet
	run(11, 11*time.Millisecond)
	expect(990*time.Millisecond, 1010*time.Millisecond)
	run(2000, 10*time.Second)
	expect(4900*time.Millisecond, 5*time.Second)
	run(500, memory)
	expect(2400*time.Millisecond, 2700*time.Millisecond) // a third of the old rate
	now = now.Add(memory)                                // none is admitted
	expect(6*time.Second, 8*time.Second)
	now = now.Add(-memory) // the clock is set back
	expect(6*time.Second, 8*time.Second)
	rate.start(now)
	expect(0, 0)
	now = now.Add(24 * time.Hour) // one is assumed
	expect(1000*memory, 1000*memory)
}
