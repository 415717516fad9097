package bench

import (
	"math"
	"slices"
	"time"
)

// Samples are measured times, sorted, of so many that were to be measured.
type Samples struct {
	sorted []time.Duration
	of     int
}

// newSamples takes the samples over. Of how many they are counts those that
// never came as well.
func newSamples(samples []time.Duration, of int) Samples {
	slices.Sort(samples)
	return Samples{sorted: samples, of: of}
}

// At returns the time within which this share of all came, such as 0.99: the
// nearest rank, exact. It is false if fewer came.
func (s Samples) At(share float64) (time.Duration, bool) {
	// A product such as 0.07*100 may lie just above the whole number it stands for.
	rank := max(int(math.Ceil(share*float64(s.of)-1e-9)), 1)
	if rank > len(s.sorted) {
		return 0, false
	}
	return s.sorted[rank-1], true
}
