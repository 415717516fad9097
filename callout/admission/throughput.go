package admission

import (
	"math"
	"time"
)

const (
	// memory is how fast the measured rate follows the true one: what was a memory
	// ago counts a third. It spans several pauses of a server, which processes the
	// answers of a connection a few times a second under load.
	memory = time.Second
	// shortestSample is how long requests must have waited before the rate is known.
	shortestSample = 100 * time.Millisecond
)

// throughput measures the rate at which requests are admitted while others wait.
// When none waits, the rate is that at which they arrive, and says nothing.
type throughput struct {
	admitted float64   // requests, weighted by age
	busy     float64   // seconds in which requests waited, weighted by age
	last     time.Time // when both were weighted
}

// start begins a new measurement: from now on requests wait.
func (t *throughput) start(now time.Time) { *t = throughput{last: now} }

// add counts n admitted requests.
func (t *throughput) add(n int, now time.Time) {
	if d := now.Sub(t.last); d > 0 {
		weight := math.Exp(-d.Seconds() / memory.Seconds())
		t.admitted *= weight
		t.busy = t.busy*weight + memory.Seconds()*(1-weight)
		t.last = now
	}
	t.admitted += float64(n)
}

// duration predicts how long it takes to admit n requests. 0: the rate is not known
// yet.
func (t *throughput) duration(n int, now time.Time) time.Duration {
	t.add(0, now)
	if t.busy < shortestSample.Seconds() {
		return 0
	}
	return time.Duration(float64(n) * t.busy / max(t.admitted, 1) * float64(time.Second))
}
