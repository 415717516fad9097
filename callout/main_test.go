package callout_test

import (
	"testing"

	"go.uber.org/goleak"
)

// A goroutine that outlives the tests fails them. Nothing is excused: servers,
// services and clients of every kind end with the test that started them.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}
