package admission

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

// BenchmarkQueue measures the queue's part of one request: it is added, taken,
// classified, and a request is admitted. x-channel is the duration divided by that
// of a send and a receive on a buffered channel.
func BenchmarkQueue(b *testing.B) {
	const limit = 4096
	oneSource := func(int) string { return "192.0.2.1" }
	names := make([]string, 4*limit)
	for i := range names {
		names[i] = "host-" + strconv.Itoa(i)
	}
	manySources := func(i int) string { return names[i%len(names)] }
	halfOneSource := func(i int) string {
		if i%2 == 0 {
			return oneSource(i)
		}
		return manySources(i / 2)
	}
	for _, bb := range []struct {
		name    string
		waiting int // throughout the run
		source  func(int) string
	}{
		{"empty, one source", 0, oneSource},
		{"empty, many sources", 0, manySources},
		{"1000 waiting, one source", 1000, oneSource},
		{"1000 waiting, 1000 sources", 1000, manySources},
		{"full, one source", limit, oneSource},
		{"full, many sources", limit, manySources},
		{"full, half from one source", limit, halfOneSource},
	} {
		b.Run(bb.name, func(b *testing.B) {
			q := NewQueue[int](Config{Limit: limit, MaxAge: time.Hour, Order: Adaptive, Now: time.Now})
			n := 0
			for ; n < bb.waiting; n++ {
				q.push(bb.source(n), waiting[int]{value: n, arrival: time.Now()})
			}
			request := func() {
				n++
				q.Add(n)
				item, _ := q.Take()
				for item.State == Unclassified {
					item = q.Classify(bb.source(item.Value), item.Value, time.Now(), time.Now())
				}
			}
			channel := make(chan int, limit)
			ratio := ratio(request, func() { channel <- 1; <-channel })
			b.ReportAllocs()
			for b.Loop() {
				request()
			}
			b.ReportMetric(ratio, "x-channel")
		})
	}
}

// BenchmarkFailures measures the checks of one request that does not fail.
func BenchmarkFailures(b *testing.B) {
	for name, failed := range map[string]bool{"no failures": false, "failures of others": true} {
		b.Run(name, func(b *testing.B) {
			f := NewFailures(FailuresConfig{PerHost: 10, PerCredential: 1, Now: time.Now})
			if failed {
				f.Record(f.Attempt("192.0.2.2", "bad"))
			}
			b.ReportAllocs()
			for b.Loop() {
				a := f.Attempt("192.0.2.1", "good")
				if f.CredentialExhausted(a) || f.HostExhausted(a) {
					b.Fatal("exhausted")
				}
			}
		})
	}
}

// ratio returns the duration of f divided by that of reference: the median of many
// short runs, which alternate so that a disturbance affects both.
func ratio(f, reference func()) float64 {
	const rounds, calls = 61, 200
	var ratios [rounds]float64
	for i := range ratios {
		ratios[i] = float64(timed(calls, f)) / float64(timed(calls, reference))
	}
	slices.Sort(ratios[:])
	return ratios[rounds/2]
}

func timed(calls int, f func()) time.Duration {
	start := time.Now()
	for range calls {
		f()
	}
	return time.Since(start)
}
