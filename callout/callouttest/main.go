package callouttest

import (
	"flag"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// VerifyTestMain runs the tests of a package and fails if a goroutine leaks: servers,
// services and clients must stop with the test that started them. It ignores two
// goroutines that nats-server itself leaks.
func VerifyTestMain(m *testing.M) {
	RaiseParallelism()
	goleak.VerifyTestMain(delayedCheck{m}, leakedFlushLoop, leakedResolver)
}

// leakedFlushLoop is the writer of a message block, which nats-server (2.15.2) can
// leak: fileStore.stop closes the blocks and unlocks before it marks the store closed.
// A message that arrives in between gets a new block, whose writer never stops. A
// server that a test did not stop is still detected by its other goroutines.
var leakedFlushLoop = goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*msgBlock).flushLoop")

// leakedResolver is a goroutine of the account resolver. A reload in operator mode
// replaces the resolver and leaks it.
var leakedResolver = goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*DirJWTStore).startExpiring.func1")

// testsPerProcessor is how many parallel tests may run at once for each processor.
const testsPerProcessor = 3

// RaiseParallelism lets more parallel tests run at once than there are processors,
// because tests that start servers and clients mostly wait. Call it in TestMain. The
// -parallel flag of go test overrides it.
func RaiseParallelism() {
	_ = flag.Set("test.parallel", strconv.Itoa(testsPerProcessor*runtime.GOMAXPROCS(0))) // fails only outside of tests
}

// stopTimeout is how long goroutines may take to stop after the last test. A
// nats-server that stops while a client waits for authorization keeps the goroutine of
// the client for authorization.timeout, 3 s. goleak itself waits 2 s.
const stopTimeout = 10 * time.Second

// delayedCheck runs the tests, and then waits up to stopTimeout for goroutines to stop.
type delayedCheck struct{ m *testing.M }

func (d delayedCheck) Run() int {
	code := d.m.Run()
	for end := time.Now().Add(stopTimeout); goleak.Find(leakedFlushLoop, leakedResolver) != nil && time.Now().Before(end); {
		continue // Find waits itself
	}
	return code
}
