package admission

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

// BenchmarkQueue is what one request costs in the queue: it arrives, is looked
// at and handed back, and somebody has a turn. x-channel is how many times the
// cost of a buffered channel, in and out, that is, measured in turns with it.
func BenchmarkQueue(b *testing.B) {
	const limit = 4096
	one := func(int) string { return "192.0.2.1" }
	own := make([]string, 4*limit)
	for i := range own {
		own[i] = "host-" + strconv.Itoa(i)
	}
	each := func(i int) string { return own[i%len(own)] }
	half := func(i int) string {
		if i%2 == 0 {
			return one(i)
		}
		return each(i / 2)
	}
	for _, bb := range []struct {
		name    string
		waiting int // all the time
		source  func(int) string
	}{
		{"nothing else waits", 0, one},
		{"a source each", 0, each},
		{"1000 of a source wait", 1000, one},
		{"1000 sources wait", 1000, each},
		{"full of a source", limit, one},
		{"full of sources", limit, each},
		{"full, half of a source", limit, half},
	} {
		b.Run(bb.name, func(b *testing.B) {
			q := NewQueue[int](Config{Limit: limit, Age: time.Hour, Order: Adaptive, Now: time.Now})
			n := 0
			for ; n < bb.waiting; n++ {
				q.put(bb.source(n), waiting[int]{value: n, arrival: time.Now()})
			}
			request := func() {
				n++
				q.Add(n)
				turn, _ := q.Take()
				for turn.State == Fresh {
					turn = q.Exchange(bb.source(turn.Value), turn.Value, time.Now(), time.Now())
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

// BenchmarkFailures is what one request costs that does not fail.
func BenchmarkFailures(b *testing.B) {
	for name, failed := range map[string]bool{"nobody fails": false, "others fail": true} {
		b.Run(name, func(b *testing.B) {
			f := NewFailures(FailuresConfig{PerHost: 10, PerCredential: 1, Now: time.Now})
			if failed {
				f.Failed(f.Attempt("192.0.2.2", "bad"))
			}
			b.ReportAllocs()
			for b.Loop() {
				a := f.Attempt("192.0.2.1", "good")
				if f.CredentialSpent(a) || f.HostSpent(a) {
					b.Fatal("spent")
				}
			}
		})
	}
}

// ratio returns how many times the reference f takes: the median of many short
// runs of the one and the other in turn, so that a disturbance meets both.
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
