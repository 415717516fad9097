package callouttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// portsPerServer is how many consecutive ports a Server listens on.
const portsPerServer = 5

// FreePort returns the first of five consecutive free ports. It reserves them until
// the test ends, so that a server can stop and start again on the same ports. They are
// below the range of ephemeral ports.
func FreePort(tb testing.TB) int {
	tb.Helper()
	const lock = 1 // the port before them, on which the reservation listens
	for range 200 {
		port := 10000 + rand.IntN(20000/(lock+portsPerServer))*(lock+portsPerServer)
		reservation, err := listen(tb, port)
		if err != nil {
			continue
		}
		if free(tb, port+lock) {
			tb.Cleanup(func() { _ = reservation.Close() })
			return port + lock
		}
		_ = reservation.Close()
	}
	tb.Fatal("no five consecutive free ports")
	return 0
}

func free(tb testing.TB, first int) bool {
	tb.Helper()
	for port := first; port < first+portsPerServer; port++ {
		if !portFree(tb, port) {
			return false
		}
	}
	return true
}

func listen(tb testing.TB, port int) (net.Listener, error) {
	tb.Helper()
	var config net.ListenConfig
	return config.Listen(tb.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
}
