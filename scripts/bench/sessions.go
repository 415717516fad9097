package main

import "context"

// sessionsStep measures the registry of live sessions, with a quarter of a million.
func sessionsStep() step {
	table := []benchRow{
		{row{"sessions-memory", "250,000 sessions at three replicas, memory of a session at one", atMost(300), "B"}, metric{"BenchmarkQuarter/replicas", "B/session", 1}},
		{row{"sessions-wire", "250,000 sessions, bytes of a session between replicas", information(), "B"}, metric{"BenchmarkQuarter/replicas", "wire-B/session", 1}},
		{row{"sessions-own", "250,000 sessions, memory of one if ACLs name each user", information(), "B"}, metric{"BenchmarkQuarter/own-acls", "B/session", 1}},
		{row{"sessions-one", "250,000 sessions, memory of one if each user has one", information(), "B"}, metric{"BenchmarkQuarter/one-each", "B/session", 1}},
		{row{"sessions-add", "a session added among 100,000", information(), "µs"}, metric{"BenchmarkAdd", "ns/op", 1000}},
	}
	return step{part: "sessions", name: "live sessions", needs: []program{sessionsTest}, rows: rowsOf(table), run: func(ctx context.Context, r *runner) (figures, error) {
		return r.measureTable(ctx, sessionsTest, "^Benchmark(Quarter|Add)$", table)
	}}
}
