package eventgateway_test

import (
	"testing"

	"usher/callout/callouttest"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }
