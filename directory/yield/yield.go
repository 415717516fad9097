// Package yield lets other goroutines run while a large directory is built, which
// takes seconds.
//
// It promises that a request waits microseconds for a processor instead of the
// 10 ms after which the Go scheduler preempts a goroutine. It never blocks.
package yield

import "runtime"

const stepsPerYield = 256 // each of less than a microsecond

// Counter counts the steps of a long loop. The zero value is ready to use.
type Counter int

// Step counts one step, and yields the processor every 256 steps.
func (c *Counter) Step() {
	if *c++; *c%stepsPerYield == 0 {
		runtime.Gosched()
	}
}
