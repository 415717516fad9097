package main

import (
	"math"
	"slices"
	"testing"
	"time"
)

// fake is a storm of 100 clients that recovers unless fewer have connected.
func fake(connected int, ms, failed float64, cpu time.Duration) *storm {
	return &storm{Clients: 100, Connected: connected, ElapsedMS: ms, FailedAttempts: failed, cpu: cpuTimes{service: cpu}}
}

// TestBetter: the faster reference is taken, or of two equally fast ones the one with
// fewer failed attempts.
func TestBetter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		elapsed, failed [2]float64
		want            int
	}{
		"faster, though more fail": {[2]float64{4, 2}, [2]float64{0, 9}, 4},
		"equally fast":             {[2]float64{2.05, 2}, [2]float64{1, 9}, 1},
		"equal":                    {[2]float64{2, 1.99}, [2]float64{1, 1}, 4},
	} {
		var tried []*candidate
		for i, n := range referenceConnections() {
			tried = append(tried, &candidate{backend{connections: n}, c.elapsed[i : i+1], c.failed[i : i+1]})
		}
		if got := better(tried).connections; got != c.want {
			t.Errorf("%s: %d connections", name, got)
		}
	}
}

// TestFigures: a round in which only the reference does not recover counts as infinitely
// long. One in which usher does not recover leaves no time.
func TestFigures(t *testing.T) {
	t.Parallel()
	k := kind{costs: &costs{granted: 0.001, unanswered: 0.001}}
	target := atMostReference(0.8)
	pairs := []pair{
		{usher: fake(100, 900, 5, 0), reference: fake(1, 9, 70, 0)},
		{usher: fake(100, 1000, 0, 0), reference: fake(100, 1200, 0, 0)},
		{usher: fake(100, 1100, 3, 0), reference: fake(1, 9, 80, 0)},
	}
	all, err := k.figures(pairs, "x-")
	if err != nil {
		t.Fatal(err)
	}
	elapsed := all["x-time"]
	if elapsed.value != 1 || !slices.Equal(elapsed.each, []float64{0.9, 1, 1.1}) || target.of(elapsed).verdict(elapsed.value) != good {
		t.Errorf("%+v", elapsed)
	}
	if f := all["x-failed"]; f.value != 3 || !slices.Equal(f.reference, []float64{70, 0, 80}) {
		t.Errorf("%+v", f)
	}
	if all["x-recovered"].value != 3 || all["x-attempts"].value != 0.03 || all["x-bound"].value < 1 {
		t.Errorf("%+v", all)
	}

	all, err = k.figures(append(pairs, pair{usher: fake(99, 900, 0, 0), reference: fake(100, 900, 0, 0)}), "x-")
	_, timed := all["x-time"]
	if err == nil || timed || all["x-recovered"].value != 3 || len(all["x-failed"].each) != 4 {
		t.Errorf("%v: %+v", err, all)
	}
}

// TestCPU: all connects of a group count the same, and rounds without a recovery do not.
func TestCPU(t *testing.T) {
	t.Parallel()
	s := storms{sizes: []int{100}, pairs: []pair{
		{usher: fake(100, 1, 0, 10*time.Millisecond), reference: fake(100, 1, 0, 40*time.Millisecond)},
		{usher: fake(100, 1, 0, 30*time.Millisecond), reference: fake(100, 1, 0, 40*time.Millisecond), sealed: true},
		{usher: fake(100, 1, 0, time.Second), reference: fake(99, 1, 0, time.Second)},
	}}
	all, err := s.measureCPU(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]float64{"cpu": 0.5, "cpu-plain": 0.25, "cpu-sealed": 0.75, "cpu-usher": 0.2, "cpu-reference": 0.4} {
		if got := all[id].value; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %g, not %g", id, got, want)
		}
	}
	if len(all) != 5 {
		t.Errorf("%+v", all)
	}
}
