package streams_test

import (
	"os"
	"testing"

	"usher/callout/callouttest"
)

func TestMain(m *testing.M) {
	callouttest.RaiseParallelism()
	os.Exit(m.Run())
}
