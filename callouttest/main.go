package callouttest

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// VerifyTestMain runs the tests of a package, and fails them if a goroutine
// outlives them. Nothing is excused: servers, services and clients of every kind
// end with the test that started them.
func VerifyTestMain(m *testing.M) { goleak.VerifyTestMain(unhurried{m}) }

// leaving is how long a goroutine may take to end after the last test. A
// nats-server that was stopped while a client waited for an answer keeps that
// client's goroutine for its authorization.timeout, 3 s; goleak alone waits 2 s.
const leaving = 10 * time.Second

// unhurried runs the tests, and then waits for what is about to end.
type unhurried struct{ m *testing.M }

func (u unhurried) Run() int {
	code := u.m.Run()
	for end := time.Now().Add(leaving); goleak.Find() != nil && time.Now().Before(end); {
		continue // Find waits by itself
	}
	return code
}
