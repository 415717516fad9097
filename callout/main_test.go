package callout_test

import (
	"flag"
	"testing"

	"usher/callout/callouttest"
)

// serverProgram is the nats-server of any version against which TestMatrix and
// TestFeatures run: go test ./callout -run ^TestMatrix$ -args -server PATH.
var serverProgram = flag.String("server", "", "the nats-server program of TestMatrix; default the library's, in this process")

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }
