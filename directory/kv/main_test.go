package kv_test

import (
	"testing"

	"usher/callouttest"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }
