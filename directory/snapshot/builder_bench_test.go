package snapshot_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"usher/directory/snapshot"
)

// BenchmarkBuilder measures how long building a directory of 1,000,000 users takes if the
// entries arrive one by one and in any order, as from a bucket. x-snapshot is the ratio to
// building it from records. MiB-held is the memory of the snapshot without the values of
// the entries.
func BenchmarkBuilder(b *testing.B) {
	c := company{1_000_000, 1_000}
	records := c.records(b)
	start := time.Now()
	s := newSnapshot(b, records)
	took := time.Since(start)
	entries := slices.Collect(s.Entries())
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	before, held := settledHeap(), uint64(0)
	for b.Loop() {
		build := snapshot.NewBuilder()
		for i := range entries {
			build.Add(&entries[i])
		}
		built, problems := build.Snapshot()
		b.StopTimer()
		if len(problems) > 0 {
			b.Fatal(problems)
		}
		held = settledHeap() - before
		runtime.KeepAlive(built)
		b.StartTimer()
	}
	b.ReportMetric(float64(held)/mib, "MiB-held")
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/took.Seconds(), "x-snapshot")
}
