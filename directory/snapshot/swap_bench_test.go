package snapshot_test

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
)

// BenchmarkSwap measures how long look-ups take while a snapshot of 1,000,000
// users is built, put in the place of another, and the other's memory freed.
// There is one look-up after the other, as requests do them, on all processors
// but one. An operation is four measurements of equal length:
//
//   - alone: nothing happens beside the look-ups;
//   - busy: a goroutine beside them computes and allocates nothing;
//   - collect: a goroutine beside them collects the garbage and makes none;
//   - swap: a goroutine beside them builds, swaps and collects the garbage.
//
// ns-p9999 is what all but one in 10,000 stay below, ms-longest the longest and
// over-5ms how many took longer than that. What the others show as well as swap
// is what the operating system, the scheduler and the runtime do to anybody.
func BenchmarkSwap(b *testing.B) {
	c := crowd{1_000_000, 1_000}
	t := newTarget(b, c)
	var current atomic.Pointer[snapshot.Snapshot]
	current.Store(t.snapshot)
	t.snapshot = nil
	var alone, busy, collect, swap latencies
	for b.Loop() {
		b.StopTimer()
		records := c.records(b)
		runtime.GC()
		b.StartTimer()
		took := t.during(b, &current, &swap, func() {
			current.Store(newSnapshot(b, records))
			records = directory.Records{}
			runtime.GC()
		})
		t.during(b, &current, &alone, func() { <-time.After(took) })
		t.during(b, &current, &busy, repeat(took, func() { directory.DigestOf("busy") }))
		t.during(b, &current, &collect, repeat(took, runtime.GC))
	}
	for name, l := range map[string]*latencies{"alone": &alone, "busy": &busy, "collect": &collect, "swap": &swap} {
		b.ReportMetric(l.quantile(0.9999), "ns-p9999-"+name)
		b.ReportMetric(float64(l.longest.Nanoseconds())/1e6, "ms-longest-"+name)
		b.ReportMetric(float64(l.over), "over-5ms-"+name)
	}
}

// repeat returns a function that does one thing again and again.
func repeat(during time.Duration, one func()) func() {
	return func() {
		for start := time.Now(); time.Since(start) < during; {
			one()
		}
	}
}

// during looks up users until what has returned, and returns how long that took.
func (t *target) during(b *testing.B, current *atomic.Pointer[snapshot.Snapshot], l *latencies, what func()) time.Duration {
	b.Helper()
	var done atomic.Bool
	var readers sync.WaitGroup
	all := make([]latencies, max(1, runtime.GOMAXPROCS(0)-1))
	for i := range all {
		readers.Go(func() {
			last := time.Now()
			for next := i * len(t.asks) / len(all); !done.Load(); next++ {
				asked := target{snapshot: current.Load()}
				if !asked.lookup(&t.asks[next%len(t.asks)]) {
					b.Error("the user is not found")
					return
				}
				now := time.Now()
				all[i].add(now.Sub(last))
				last = now
			}
		})
	}
	start := time.Now()
	what()
	took := time.Since(start)
	done.Store(true)
	readers.Wait()
	for i := range all {
		l.merge(&all[i])
	}
	return took
}

// latencies counts durations, to 1 part in 16.
type latencies struct {
	counts  [64 << 4]int
	total   int
	over    int
	longest time.Duration
}

func (l *latencies) add(d time.Duration) {
	n := uint64(d) << 4
	exponent := max(bits.Len64(n)-5, 0)
	l.counts[exponent<<4|int(n>>exponent&15)]++
	l.total++
	l.longest = max(l.longest, d)
	if d > 5*time.Millisecond {
		l.over++
	}
}

func (l *latencies) merge(m *latencies) {
	for i, n := range m.counts {
		l.counts[i] += n
	}
	l.total += m.total
	l.over += m.over
	l.longest = max(l.longest, m.longest)
}

// quantile returns the nanoseconds that a share q of all stays below.
func (l *latencies) quantile(q float64) float64 {
	rest := int(float64(l.total) * (1 - q))
	for i := len(l.counts) - 1; i >= 0; i-- {
		if rest -= l.counts[i]; rest < 0 {
			return float64((16|uint64(i&15))<<(i>>4)) / 16
		}
	}
	return 0
}
