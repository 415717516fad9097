package callouttest_test

import (
	"fmt"
	"net"
	"os/exec"
	"sync"
	"testing"

	"usher/callout/callouttest"
)

// A server can listen on a free port while other processes start. A process that is
// forked has copies of the sockets of this one until it executes its program.
func TestFreePortWhileProcessesStart(t *testing.T) {
	stop := make(chan struct{})
	var starters sync.WaitGroup
	for range 4 {
		starters.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = exec.CommandContext(t.Context(), "true").Run() // whether there is such a program
				}
			}
		})
	}
	for range 200 {
		t.Run("", func(t *testing.T) {
			port := callouttest.FreePort(t)
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				t.Error(err)
				return
			}
			_ = l.Close()
		})
	}
	close(stop)
	starters.Wait()
}
