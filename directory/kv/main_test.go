package kv_test

import (
	"fmt"
	"os"
	"testing"

	"usher/callout/callouttest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	callouttest.VerifyTestMain(m)
}
