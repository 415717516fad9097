package admission

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

// BenchmarkQueue measures the queue's part of one request: it is added,
// opened, and a request is admitted. x-channel is the duration divided by that
// of a send and a receive on a buffered channel.
func BenchmarkQueue(b *testing.B) {
	const size = 4096
	oneSource := func(int) string { return "192.0.2.1" }
	names := make([]string, 4*size)
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
		{"full, one source", size, oneSource},
		{"full, many sources", size, manySources},
		{"full, half from one source", size, halfOneSource},
	} {
		b.Run(bb.name, func(b *testing.B) {
			q := NewQueue(Config[int]{
				Limit: size, Patience: time.Hour, Order: Adaptive, Now: time.Now,
				Open: func(i int) (Source, bool) { return Source{bb.source(i), time.Now()}, true },
			})
			n := 0
			for ; n < bb.waiting; n++ {
				q.push(bb.source(n), waiting[int]{value: n, arrival: time.Now()})
			}
			request := func() {
				n++
				q.Add(n, time.Now())
				q.Next()
			}
			channel := make(chan int, size)
			ratio := ratio(request, func() { channel <- 1; <-channel })
			b.ReportAllocs()
			for b.Loop() {
				request()
			}
			b.ReportMetric(ratio, "x-channel")
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
