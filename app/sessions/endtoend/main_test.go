package endtoend

import (
	"fmt"
	"os"
	"testing"

	"usher/callout/callouttest"
)

func TestMain(m *testing.M) {
	if isClientProcess() {
		if err := runClients(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	callouttest.VerifyTestMain(m)
}
