package main

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

const benchOutput = `goos: linux
goarch: amd64
pkg: usher/callout
cpu: AMD EPYC
BenchmarkHandle/plain-2         	   10000	    105000 ns/op	         1.420 x-floor	         1.610 x-reference	   14000 B/op	      61 allocs/op
BenchmarkHandle/sealed
BenchmarkHandle/sealed-16       	    9000	    115000 ns/op	         1.500 x-floor	         2.900 x-reference	   15000 B/op	      66 allocs/op
BenchmarkSwap 	       1	2500000000 ns/op	         4.5e-05 ms-longest-alone
BenchmarkOdd says hello to everybody
PASS
ok  	usher/callout	6.1s
`

func TestParseBenchmarks(t *testing.T) {
	t.Parallel()
	got, err := parseBenchmarks(strings.NewReader(benchOutput))
	if err != nil {
		t.Fatal(err)
	}
	want := benchmarks{
		"BenchmarkHandle/plain":  {"ns/op": 105000, "x-floor": 1.42, "x-reference": 1.61, "B/op": 14000, "allocs/op": 61},
		"BenchmarkHandle/sealed": {"ns/op": 115000, "x-floor": 1.5, "x-reference": 2.9, "B/op": 15000, "allocs/op": 66},
		"BenchmarkSwap":          {"ns/op": 2.5e9, "ms-longest-alone": 4.5e-05},
	}
	if !maps.EqualFunc(got, want, maps.Equal) {
		t.Errorf("%v", got)
	}
	if got, err := parseBenchmarks(strings.NewReader("BenchmarkA-2 1 many ns/op\n")); err == nil {
		t.Errorf("no error, but %v", got)
	}
}

// TestPick: existing metrics are returned, and the error names missing ones.
func TestPick(t *testing.T) {
	t.Parallel()
	b, err := parseBenchmarks(strings.NewReader(benchOutput))
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.pick(map[string]metric{
		"time":    {"BenchmarkSwap", "ns/op", 1e9},
		"floor":   {"BenchmarkHandle/plain", "x-floor", 0},
		"no unit": {"BenchmarkSwap", "x-floor", 1},
		"none":    {"BenchmarkNone", "ns/op", 1},
	}, nil)
	if len(got) != 2 || got["time"].value != 2.5 || got["floor"].value != 1.42 {
		t.Errorf("%v", got)
	}
	boom := errors.New("boom")
	if got, err := (benchmarks{}).pick(map[string]metric{"none": {}}, boom); got != nil || !errors.Is(err, boom) || err.Error() != "boom" {
		t.Errorf("no benchmark finished: %v, %v", got, err)
	}
	if want := "BenchmarkSwap did not report x-floor\nBenchmarkNone did not report ns/op"; err == nil || err.Error() != want {
		t.Errorf("%v, not\n%s", err, want)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	const text = `# HELP usher_requests_total Requests by outcome and code (docs/reference/errors.md).
# TYPE usher_requests_total counter
usher_requests_total{code="",outcome="granted"} 2400
usher_requests_total{code="late",outcome="shed"} 3
usher_requests_total{code="full",outcome="shed"} 1e+06
usher_requests_waiting 0
`
	for outcome, want := range map[string]float64{"granted": 2400, "shed": 1_000_003, "malformed": 0} {
		if got, err := requests(text, outcome); err != nil || got != want {
			t.Errorf("%s: %g, %v", outcome, got, err)
		}
	}
	for _, bad := range []string{"", "usher_requests_waiting 0\n", `usher_requests_total{outcome="shed"} many` + "\n"} {
		if got, err := requests(bad, "shed"); err == nil {
			t.Errorf("%q: no error, but %g", bad, got)
		}
	}
}
