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

// BenchmarkSwap measures the latency of lookups while a snapshot of 1,000,000 users is
// built and replaces another one, whose memory is freed. Requests look users up one after
// the other on all processors except one. An operation is four measurements of equal
// length:
//
//   - alone: only lookups;
//   - busy: another goroutine computes without allocating;
//   - collect: another goroutine collects garbage without allocating;
//   - swap: another goroutine builds, swaps and collects garbage.
//
// ns-p9999 is the 99.99th percentile, ms-longest the maximum, and over-5ms the number of
// lookups above 5 ms. Latency that the other measurements show too is due to the operating
// system, the scheduler and the runtime.
func BenchmarkSwap(b *testing.B) {
	c := company{1_000_000, 1_000}
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

// during looks up users until what has returned, and returns the latencies.
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

// latencies is a histogram of durations with a precision of 1/16.
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

// quantile returns the q-quantile in nanoseconds.
func (l *latencies) quantile(q float64) float64 {
	rest := int(float64(l.total) * (1 - q))
	for i := len(l.counts) - 1; i >= 0; i-- {
		if rest -= l.counts[i]; rest < 0 {
			return float64((16|uint64(i&15))<<(i>>4)) / 16
		}
	}
	return 0
}
