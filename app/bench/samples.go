package bench

import (
	"math"
	"slices"
	"time"
)

// Samples are sorted durations. Their number may be smaller than the total number of
// measurements, because some never finished.
type Samples struct {
	sorted []time.Duration
	total  int
}

// newSamples sorts and keeps the samples. total also counts measurements that never
// finished.
func newSamples(samples []time.Duration, total int) Samples {
	slices.Sort(samples)
	return Samples{sorted: samples, total: total}
}

// At returns the quantile of a share, such as 0.99, by the exact nearest rank. It is false
// if a smaller share finished.
func (s Samples) At(share float64) (time.Duration, bool) {
	// A product such as 0.07*100 may be slightly above the integer that it should be.
	rank := max(int(math.Ceil(share*float64(s.total)-1e-9)), 1)
	if rank > len(s.sorted) {
		return 0, false
	}
	return s.sorted[rank-1], true
}
