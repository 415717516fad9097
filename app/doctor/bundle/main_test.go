package bundle_test

import (
	"testing"

	"usher/callout/callouttest"
)

func TestMain(m *testing.M) { callouttest.RaiseParallelism(); m.Run() }
