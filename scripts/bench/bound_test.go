package main

import (
	"math"
	"testing"
)

// TestLowerBound: worked by hand, with a machine of 2 cores that lets 4,000 clients in
// within their patience.
func TestLowerBound(t *testing.T) {
	t.Parallel()
	c := costs{granted: 0.001, unanswered: 0.00075}
	for _, test := range []struct {
		clients int
		lag     float64
		want    float64
	}{
		{1, 0, 0.0005},
		{1000, 0, 0.5},
		{4000, 0, 2},
		{5000, 0, 4.5},    // 1,000 of them in the second round
		{5000, 0.5, 2.5},  // their patience ends later
		{8000, 0, 6},      // two full rounds
		{12000, 0, 10.5},  // 12,000 and (8,000 + 4,000) × 0.75 ms on 2 cores: more than 10 s in rounds
		{40000, 0, 87.5},  // 40,000 and 180,000 × 0.75 ms
		{40000, 18, 20.0}, // nobody fails
	} {
		if got := c.lowerBound(test.clients, 2, test.lag); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%d clients, lag %g: %g, not %g", test.clients, test.lag, got, test.want)
		}
	}
}
