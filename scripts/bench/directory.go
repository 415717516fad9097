package main

import "context"

// The benchmarks of package directory/snapshot.
const (
	directoryPattern = "^Benchmark(Lookup|Snapshot|Swap)$"

	benchLookup   = "BenchmarkLookup/lookup"
	benchKey      = "BenchmarkLookup/key"
	benchDecide   = "BenchmarkLookup/decide"
	benchAnswer   = "BenchmarkLookup/answer"
	benchSnapshot = "BenchmarkSnapshot/1M"
	benchSwap     = "BenchmarkSwap"
)

// benchRow is a row and the metric that it shows.
type benchRow struct {
	row
	metric
}

// directoryTable maps rows to metrics of the benchmarks of package directory/snapshot.
func directoryTable() []benchRow {
	return []benchRow{
		{row{"lookup", "look-up among 1,000,000 users, to 1,000", atMost(1.2), "×"}, metric{benchLookup, "x-small", 1}},
		{row{"lookup-key", "of this, finding the key's record", information(), "×"}, metric{benchKey, "x-small", 1}},
		{row{"lookup-decide", "the whole decision among 1,000,000 users, to 1,000", information(), "×"}, metric{benchDecide, "x-small", 1}},
		{row{"answer", "whole answer with its signatures among 1,000,000 users, to 1,000", atMost(1.2), "×"}, metric{benchAnswer, "x-small", 1}},
		{row{"build-time", "snapshot of 1,000,000 users, built in", atMost(5), "s"}, metric{benchSnapshot, "ns/op", 1e9}},
		{row{"build-memory", "snapshot of 1,000,000 users, memory at most", atMost(1.2), "GiB"}, metric{benchSnapshot, "MiB-peak", 1024}},
		{row{"swap", "longest stall of a look-up while a snapshot is swapped, to that of garbage collection alone, medians", atMost(1.2), "×"}, metric{benchSwap, "x-collect", 1}},
		{row{"swap-longest", "longest stall of a look-up while a snapshot is built and swapped, median", information(), "ms"}, metric{benchSwap, "ms-longest-swap", 1}},
		{row{"swap-collect", "the same while garbage is collected and nothing is swapped", information(), "ms"}, metric{benchSwap, "ms-longest-collect", 1}},
	}
}

func rowsOf(table []benchRow) []row {
	var rows []row
	for _, t := range table {
		rows = append(rows, t.row)
	}
	return rows
}

// measureDirectory measures lookups in a snapshot, and how it is built and swapped.
func measureDirectory(ctx context.Context, r *runner) (figures, error) {
	return r.measureTable(ctx, directoryTest, directoryPattern, directoryTable())
}

// measureTable runs benchmarks of one package and returns the figures of a table.
func (r *runner) measureTable(ctx context.Context, p program, pattern string, table []benchRow) (figures, error) {
	found, err := r.goBench(ctx, p, pattern)
	metrics := map[string]metric{}
	for _, t := range table {
		metrics[t.id] = t.metric
	}
	return found.pick(metrics, err)
}
