package snapshot_test

import (
	"math/bits"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/directory"
	"usher/directory/snapshot"
)

// swapRounds is how often BenchmarkSwap measures each of its two loops.
const swapRounds = 5

// BenchmarkSwap measures the longest lookup while a snapshot of 1,000,000 users is built
// and replaces another one, whose memory is freed. Requests look users up one after the
// other on all processors except one. In each round there are two measurements, one after
// the other and equally long:
//
//   - swap: another goroutine builds, swaps and collects garbage;
//   - collect: garbage is collected as often as in that time, with as much memory in use,
//     but nothing is built and nothing swapped.
//
// The longest of a round is a matter of chance, because the operating system, the scheduler
// and the collector all interrupt lookups. So ms-longest is the median over the rounds, and
// x-collect is that of swap divided by that of collect. ns-p9999 is the 99.99th percentile
// of all rounds.
func BenchmarkSwap(b *testing.B) {
	c := company{1_000_000, 1_000}
	t := newTarget(b, c)
	var current atomic.Pointer[snapshot.Snapshot]
	current.Store(t.snapshot)
	t.snapshot = nil
	var swap, collect rounds
	for b.Loop() {
		records := c.records(b)
		for range swapRounds {
			runtime.GC()
			before := collections()
			took := swap.add(t.during(b, &current, func() {
				current.Store(newSnapshot(b, records))
				records = directory.Records{}
				runtime.GC()
			}))
			times := collections() - before
			records = c.records(b) // for the next round, and so that memory is used as before the swap
			runtime.GC()
			collect.add(t.during(b, &current, func() { collectEvenly(took, times) }))
		}
		runtime.KeepAlive(records)
	}
	for name, r := range map[string]*rounds{"swap": &swap, "collect": &collect} {
		b.ReportMetric(r.all.quantile(0.9999), "ns-p9999-"+name)
		b.ReportMetric(r.longest()/1e6, "ms-longest-"+name)
	}
	b.ReportMetric(swap.longest()/collect.longest(), "x-collect")
}

// collections returns how often garbage was collected so far.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// collectEvenly collects garbage so many times at even intervals. times is at least 1.
func collectEvenly(during time.Duration, times uint64) {
	tick := time.NewTicker(during / time.Duration(times))
	defer tick.Stop()
	for range times {
		runtime.GC()
		<-tick.C
	}
}

// rounds are the latencies of one loop.
type rounds struct {
	all  latencies
	each []time.Duration // the longest of each round
}

func (r *rounds) add(l *latencies, took time.Duration) time.Duration {
	r.all.merge(l)
	r.each = append(r.each, l.longest)
	return took
}

// longest returns the median of the longest latencies, in nanoseconds.
func (r *rounds) longest() float64 {
	return float64(slices.Sorted(slices.Values(r.each))[len(r.each)/2])
}

// during looks up users until what has returned. It returns the latencies, and how long
// that took.
func (t *target) during(b *testing.B, current *atomic.Pointer[snapshot.Snapshot], what func()) (*latencies, time.Duration) {
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
	var l latencies
	for i := range all {
		l.merge(&all[i])
	}
	return &l, took
}

// latencies is a histogram of durations with a precision of 1/16.
type latencies struct {
	counts  [64 << 4]int
	total   int
	longest time.Duration
}

func (l *latencies) add(d time.Duration) {
	n := uint64(d) << 4
	exponent := max(bits.Len64(n)-5, 0)
	l.counts[exponent<<4|int(n>>exponent&15)]++
	l.total++
	l.longest = max(l.longest, d)
}

func (l *latencies) merge(m *latencies) {
	for i, n := range m.counts {
		l.counts[i] += n
	}
	l.total += m.total
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
