package bench_test

import (
	"testing"
	"time"

	"usher/app/bench"
)

// TestSamples: the nearest rank, with and without measurements that never finished.
func TestSamples(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for _, c := range []struct {
		samples bench.Samples
		share   float64
		want    time.Duration // 0: never
	}{
		{bench.SamplesOf(100, hundred...), 0, 1},
		{bench.SamplesOf(100, hundred...), 0.07, 7}, // 0.07*100 is above 7 in binary
		{bench.SamplesOf(100, hundred...), 0.5, 50},
		{bench.SamplesOf(100, hundred...), 0.99, 99},
		{bench.SamplesOf(100, hundred...), 0.999, 100},
		{bench.SamplesOf(100, hundred...), 1, 100},
		{bench.SamplesOf(200, hundred...), 0.5, 100},
		{bench.SamplesOf(200, hundred...), 0.51, 0},
		{bench.SamplesOf(3, 10, 30, 20), 0.5, 20},
		{bench.SamplesOf(3, 10, 30, 20), 0.34, 20},
		{bench.SamplesOf(1, 10), 0.5, 10},
		{bench.SamplesOf(0), 0.5, 0},
		{bench.SamplesOf(0), 1, 0},
	} {
		if got, ok := c.samples.At(c.share); got != c.want || ok != (c.want > 0) {
			t.Errorf("%v at %g: %d, %t, not %d", c.samples, c.share, got, ok, c.want)
		}
	}
}
