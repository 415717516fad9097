package callouttest

import (
	"flag"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// VerifyTestMain runs the tests of a package, and fails them if a goroutine
// outlives them: servers, services and clients of every kind end with the test that
// started them. Two goroutines are excused, which only nats-server could end.
func VerifyTestMain(m *testing.M) {
	RaiseParallelism()
	goleak.VerifyTestMain(unhurried{m}, stray, reloaded)
}

// stray is the writer of a block of messages that nats-server (2.15.2) forgets:
// fileStore.stop closes the blocks, and lets go of its lock before it says that it
// is closed. A message that comes in between gets a new block, whose writer nobody
// ends. A server that a test forgot to stop is still found, by all its others.
var stray = goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*msgBlock).flushLoop")

// A nats-server in operator mode that is reloaded makes its resolver anew, and leaves the
// goroutine of the former one behind.
var reloaded = goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*DirJWTStore).startExpiring.func1")

// overlapping is how many parallel tests may run at once for each processor.
const overlapping = 3

// RaiseParallelism lets more parallel tests of a package run at once than there are
// processors, unless go test is told -parallel: those that start servers, services
// and clients wait for one another most of the time. It is for TestMain.
func RaiseParallelism() {
	_ = flag.Set("test.parallel", strconv.Itoa(overlapping*runtime.GOMAXPROCS(0))) // a test has that flag
}

// leaving is how long a goroutine may take to end after the last test. A
// nats-server that was stopped while a client waited for an answer keeps that
// client's goroutine for its authorization.timeout, 3 s; goleak alone waits 2 s.
const leaving = 10 * time.Second

// unhurried runs the tests, and then waits for what is about to end.
type unhurried struct{ m *testing.M }

func (u unhurried) Run() int {
	code := u.m.Run()
	for end := time.Now().Add(leaving); goleak.Find(stray, reloaded) != nil && time.Now().Before(end); {
		continue // Find waits by itself
	}
	return code
}
