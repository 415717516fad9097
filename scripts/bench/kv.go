package main

import "context"

// The benchmark of package kv.
const (
	kvPattern    = "^BenchmarkLarge$"
	benchKeys    = "BenchmarkLarge/keys"
	benchMembers = "BenchmarkLarge/members"
)

// kvTable maps rows to metrics of the benchmark of package kv.
func kvTable() []benchRow {
	return []benchRow{
		{row{"kv-bucket", "1,000,000 users with a key each in NATS, a start from the bucket", atMost(60), "s"}, metric{benchKeys, "s-bucket", 1}},
		{row{"kv-disk", "the same from the snapshot on disk", atMost(10), "s"}, metric{benchKeys, "s-disk", 1}},
		{row{"kv-bucket-memory", "start from the bucket, memory at most", atMost(1.5), "GiB"}, metric{benchKeys, "MiB-bucket", 1024}},
		{row{"kv-disk-memory", "start from disk, memory at most", atMost(1.5), "GiB"}, metric{benchKeys, "MiB-disk", 1024}},
		{row{"kv-change", "a changed user in force, longest", atMost(50), "ms"}, metric{benchKeys, "ms-change", 1}},
		{row{"kv-members-bucket", "with a membership and places in ACLs besides, from the bucket", information(), "s"}, metric{benchMembers, "s-bucket", 1}},
		{row{"kv-members-disk", "with those, from the snapshot on disk", information(), "s"}, metric{benchMembers, "s-disk", 1}},
		{row{"kv-members-memory", "with those, memory at most", information(), "GiB"}, metric{benchMembers, "MiB-bucket", 1024}},
	}
}

// measureKV measures a directory of 1,000,000 users in NATS.
func measureKV(ctx context.Context, r *runner) (figures, error) {
	return r.measureTable(ctx, kvTest, kvPattern, kvTable())
}
