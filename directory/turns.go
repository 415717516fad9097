package directory

import "runtime"

// turns lets requests run while a large directory is built, which takes seconds.
// The scheduler would let a request wait 10 ms for a processor; this way none
// waits for longer than some steps take.
type turns int

const stepsPerTurn = 256 // of less than a microsecond

// step is one step of a long loop.
func (t *turns) step() {
	if *t++; *t%stepsPerTurn == 0 {
		runtime.Gosched()
	}
}
