package main

import "context"

// The benchmark of package kv.
const (
	kvPattern  = "^BenchmarkLarge$"
	benchLarge = "BenchmarkLarge"
)

// kvTable is the one place where rows and the benchmark of package kv meet.
func kvTable() []benchRow {
	return []benchRow{
		{row{"kv-bucket", "1,000,000 users in NATS, a start from the bucket", atMost(60), "s"}, metric{benchLarge, "s-bucket", 1}},
		{row{"kv-disk", "the same from the snapshot on disk", atMost(10), "s"}, metric{benchLarge, "s-disk", 1}},
		{row{"kv-bucket-memory", "start from the bucket, memory at most", atMost(1.5), "GiB"}, metric{benchLarge, "MiB-bucket", 1024}},
		{row{"kv-disk-memory", "start from disk, memory at most", atMost(1.5), "GiB"}, metric{benchLarge, "MiB-disk", 1024}},
		{row{"kv-change", "a changed user in force, longest", atMost(50), "ms"}, metric{benchLarge, "ms-change", 1}},
	}
}

// measureKV measures a directory of 1,000,000 users in NATS.
func measureKV(ctx context.Context, r *runner) (figures, error) {
	return r.measureTable(ctx, kvTest, kvPattern, kvTable())
}
