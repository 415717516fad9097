package bench_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// A goroutine that outlives the tests fails them: a measurement leaves nothing
// behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(unhurried{m})
}

// leaving is how long a goroutine may take to end after the last test: that of a
// nats-server which still waits for the answer to a client that is gone.
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
